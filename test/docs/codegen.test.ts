import { cp, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createFolder,
  startServer,
  type TestServer,
  type ThrowawayFolder,
} from '../support/carillon.ts'
import { codeBlocks, ROOT, readPage } from '../support/markdown.ts'
import { run } from './program.ts'

const PROGRAMS = ['urql.ts', 'apollo.ts']

let server: TestServer
let folder: ThrowawayFolder
let example: string

/** A project of its own, which has Carillon and its packages installed, so that nothing is generated into the repository. */
beforeAll(async () => {
  server = await startServer()
  folder = await createFolder()
  example = join(folder.path, 'examples/codegen')
  await cp(join(ROOT, 'examples/codegen'), example, {
    recursive: true,
    filter: (source) => !source.endsWith('generated'),
  })
  await cp(join(ROOT, 'schema.graphql'), join(folder.path, 'schema.graphql'))
  for (const name of ['node_modules', 'dist', 'package.json']) {
    await symlink(join(ROOT, name), join(folder.path, name))
  }
  await node('@graphql-codegen/cli/esm/bin.js', '--config', 'codegen.config.ts')
})

afterAll(async () => {
  await folder[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** What a tool that is installed has printed, run in the example. */
async function node(tool: string, ...args: readonly string[]): Promise<string> {
  await using running = run(process.execPath, [join(ROOT, 'node_modules', tool), ...args], {
    cwd: example,
  })
  return await running.finished()
}

test('the example has the types that are generated', async () => {
  expect(await node('typescript/bin/tsc', '-p', '.')).toBe('')
})

test.each(PROGRAMS)('%s prints what the README says', async (program) => {
  const page = readPage('examples/codegen/README.md')
  const written = codeBlocks(page).find(({ language }) => language === 'text')
  const printed = await node('tsx/dist/cli.mjs', program, server.url)
  expect(printed).toBe(`${written?.text}\n`)
})
