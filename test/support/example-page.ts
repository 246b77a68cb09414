import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { ROOT, readPage } from './markdown.ts'

/** An example that is served to browsers, in a process of its own. */
export interface ExamplePage extends AsyncDisposable {
  /** What it printed first. */
  readonly printed: string
  /** Where the page is. */
  readonly url: string
}

/** The one command of an example's README. */
export function commandOf(example: string): string {
  const { text } = readPage(`examples/${example}/README.md`)
  const command = /^```bash\n(node .+)\n```$/m.exec(text)?.[1]
  if (command === undefined) throw new Error(`The README of ${example} has no command.`)
  return command
}

/** Runs the command of an example as its README has it, but on a free port. */
export async function serveExample(example: string): Promise<ExamplePage> {
  const child = spawn('bash', ['-c', `exec ${commandOf(example)}`], {
    cwd: ROOT,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let printed = ''
  child.stdout.on('data', (chunk) => {
    printed += String(chunk)
  })
  while (!printed.includes('\n')) await Promise.race([once(child.stdout, 'data'), failed(exited)])
  return {
    printed,
    url: /http:\S+/.exec(printed)?.[0] ?? '',
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

async function failed(exited: Promise<unknown[]>): Promise<never> {
  const [code] = await exited
  throw new Error(`It ended with ${code}.`)
}
