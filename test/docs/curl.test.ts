import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { allPages, type CodeBlock, codeBlocks } from '../support/markdown.ts'
import { Placeholders } from './placeholders.ts'
import { run } from './program.ts'

/** A block ```bash with curl, and what it answers. */
interface CurlExample {
  readonly page: string
  readonly line: number
  readonly command: string
  readonly answer: string | undefined
  /** What the stream that is open brings then. */
  readonly stream: string | undefined
}

const examples = allPages().flatMap((page) =>
  codeBlocks(page).flatMap((block, index, blocks) =>
    isCurl(block) ? readExample(page.path, block, blocks.slice(index + 1)) : [],
  ),
)

let server: TestServer
let stream: Stream | undefined

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  await stream?.[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

test.each(examples)('the curl of $page at line $line answers as written', async (example) => {
  const command = example.command.replaceAll('127.0.0.1:4000', new URL(server.url).host)
  if (isStream(command)) {
    await stream?.[Symbol.asyncDispose]()
    stream = await openStream(command)
    return
  }
  await using shell = run('bash', ['-c', command])
  const printed = await shell.finished()
  if (example.answer !== undefined) compare(printed, example.answer)
  if (example.stream !== undefined) await stream?.untilPrinted(example.stream)
})

test('there are examples with curl', () => {
  expect(examples.filter(({ answer }) => answer !== undefined).length).toBeGreaterThan(5)
})

function isCurl({ language, text }: CodeBlock): boolean {
  return language === 'bash' && /^curl /m.test(text)
}

function isStream(command: string): boolean {
  return / -N /.test(command)
}

/** What belongs to a command stands between it and the next program or command. */
function readExample(page: string, block: CodeBlock, rest: readonly CodeBlock[]): CurlExample {
  const end = rest.findIndex(({ language }) => !['json', 'text'].includes(language))
  const own = end === -1 ? rest : rest.slice(0, end)
  const marked = (mark: string) => own.find((other) => other.mark === mark)?.text
  const { line, text: command } = block
  return { page, line, command, answer: marked('answer'), stream: marked('stream') }
}

function compare(printed: string, answer: string): void {
  const written: unknown = JSON.parse(answer)
  const actual = new Placeholders().abstract(JSON.parse(printed), written)
  expect(JSON.stringify(actual, null, 2)).toBe(JSON.stringify(written, null, 2))
}

/** A command that goes on printing. */
interface Stream extends AsyncDisposable {
  /** Resolves once it has printed these lines; rejects where it printed others. */
  untilPrinted(lines: string): Promise<void>
}

/** Starts a command; live once its first bytes are here. */
async function openStream(command: string): Promise<Stream> {
  const child = spawn('bash', ['-c', `exec ${command}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let printed = ''
  child.stdout.on('data', (chunk) => {
    printed += String(chunk)
  })
  await once(child.stdout, 'data')
  return {
    async untilPrinted(lines) {
      while (meaningful(printed).length < lines.length) await once(child.stdout, 'data')
      expect(meaningful(printed)).toBe(lines)
      printed = ''
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** Without comments and empty lines. */
function meaningful(text: string): string {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(':'))
    .join('\n')
}
