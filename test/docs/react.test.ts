import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { codeBlocks, ROOT, readPage } from '../support/markdown.ts'
import { createProgramFolder, type ProgramFolder, run } from './program.ts'

const blocks = codeBlocks(readPage('docs/clients/react.md'))
const page = blocks.find(({ mark }) => mark === 'page')
const shown = blocks.find(({ language }) => language === 'text')

let server: TestServer
let folder: ProgramFolder
let file: string
let tsconfig: string

beforeAll(async () => {
  server = await startServer()
  folder = await createProgramFolder()
  file = join(folder.path, 'page.tsx')
  tsconfig = join(folder.path, 'tsconfig.json')
  const configuration = {
    extends: '../../tsconfig.json',
    compilerOptions: { paths: {}, lib: ['esnext', 'dom'] },
    include: ['page.tsx'],
  }
  await writeFile(tsconfig, JSON.stringify(configuration))
  const { host } = new URL(server.url)
  await writeFile(file, page?.text.replaceAll('127.0.0.1:4000', host) ?? '')
})

afterAll(async () => {
  await folder[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

test('the page that is written shows what is written', async () => {
  const prelude = join(ROOT, 'test/support/react-page.mjs')
  const args = ['--import', 'tsx', '--import', prelude, file]
  await using running = run(process.execPath, args, { tsconfig })
  expect(await running.finished()).toBe(`${shown?.text}\n`)
})

test('it has the types of the package', async () => {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  await using compiler = run(process.execPath, [tsc, '-p', folder.path])
  expect(await compiler.finished()).toBe('')
})
