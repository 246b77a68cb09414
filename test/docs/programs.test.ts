import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { freePort } from '../support/free-port.ts'
import { allPages } from '../support/markdown.ts'
import { PREPARED_NODE, SHORT_LIVED_NODE } from '../support/prepared-node.ts'
import {
  createProgramFolder,
  type Program,
  type ProgramFolder,
  programsOf,
  run,
} from './program.ts'

const programs = allPages().flatMap(programsOf)

/** A program, with the addresses of this run. */
interface Placed {
  readonly file: string
  readonly meanwhile: string | undefined
}

const placed = new Map<Program, Placed>()
let server: TestServer
let folder: ProgramFolder

beforeAll(async () => {
  server = await startServer()
  folder = await createProgramFolder()
  for (const program of programs) {
    const place = await placeIn(server)
    const file = await folder.add(program, place(program.text))
    const meanwhile = program.meanwhile && place(program.meanwhile)
    placed.set(program, { file: file.replace(/\.ts$/, '.js'), meanwhile })
  }
  await folder.compile('emit')
})

afterAll(async () => {
  await folder[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

test.each(programs)(
  'the program of $page at line $line runs and prints what is written',
  async (program) => {
    const { file = '', meanwhile } = placed.get(program) ?? {}
    await using running = run(process.execPath, [...SHORT_LIVED_NODE, ...PREPARED_NODE, file])
    const output = running.finished()
    if (meanwhile !== undefined) await repeat(meanwhile, output)
    const printed = await output
    expect(printed).toBe(program.output ?? printed)
  },
  120_000, // each starts a Node and a database, on a machine that does other things too
)

test('the TypeScript of the documentation has the types of the package', async () => {
  await using types = await createProgramFolder()
  for (const program of programs) {
    if (program.language === 'ts') await types.add(program, program.text)
  }
  expect(await types.compile('check')).toBe('')
})

/** Puts the addresses of this run where the documentation has those of a default start. */
async function placeIn({ url }: TestServer): Promise<(text: string) => string> {
  const { host } = new URL(url)
  const port = String(await freePort())
  return (text) => text.replaceAll('127.0.0.1:4000', host).replaceAll('8080', port)
}

/** Nothing tells when a program is ready for the command: it comes again until the program ends. */
async function repeat(command: string, end: Promise<unknown>): Promise<void> {
  const stop = new AbortController()
  end.then(
    () => stop.abort(),
    () => stop.abort(),
  )
  while (!stop.signal.aborted) {
    await using shell = run('bash', ['-c', command])
    await shell.finished()
    const pause = AbortSignal.any([stop.signal, AbortSignal.timeout(100)])
    if (!pause.aborted) await once(pause, 'abort')
  }
}
