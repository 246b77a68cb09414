import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { startCommand } from '../support/command.ts'
import { type CodeBlock, codeBlocks, readPage } from '../support/markdown.ts'
import { SECRET } from '../support/tokens.ts'
import { run } from './program.ts'

const page = readPage('docs/clients/cli.md')
const blocks = codeBlocks(page)

/** Blocks of commands, and the text behind each, up to the next one: what they print. */
const examples = blocks.flatMap((block, index) => {
  if (block.language !== 'sh') return []
  const next = blocks[index + 1]
  return [{ ...block, output: next?.language === 'text' ? next.text : '' }]
})

let server: TestServer
let guarded: TestServer

beforeAll(async () => {
  server = await startServer()
  guarded = await startServer({ jwt: { secret: SECRET } })
})

afterAll(async () => {
  await guarded[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

test('docs/clients/cli.md has commands that print what is written, one after the other', async () => {
  expect(examples.length).toBeGreaterThan(8)
  for (const example of examples) {
    const printed = example.mark === 'follow' ? await follow(example) : await print(example)
    const { line, output } = example
    expect({ line, printed: abstract(printed) }).toEqual({ line, printed: abstract(output) })
  }
}, 240_000)

function print({ mark, text }: CodeBlock): Promise<string> {
  const url = mark === 'token' ? guarded.url : server.url
  const script = text
    .replaceAll('npx carillon', 'node dist/cli.js')
    .replace(/(CARILLON_JWT_SECRET)='[^']+'/, `$1='${SECRET}'`)
    .replace(/ > \S+$/m, ' > /dev/null')
  return finished(`export CARILLON_URL='${url}'\n${script}`)
}

async function finished(script: string): Promise<string> {
  await using shell = run('bash', ['-ec', script])
  return await shell.finished()
}

/** What comes behind the newest message, which shows that it listens. */
async function follow({ text }: CodeBlock): Promise<string> {
  const [, , ...args] = text.split(' ')
  const [, topic = ''] = args
  await using command = startCommand(['tail', topic, '--last', '1', '--count', '2'], {
    url: server.url,
  })
  await command.printed('out', 'Hello')
  const as = { userId: 'anonymous' }
  await server.carillon.publish({ topic, payload: { text: 'Again' } }, { as })
  const { out } = await command.ended()
  return out.split('\n').slice(1).join('\n')
}

/** Without what differs from run to run. */
function abstract(text: string): string {
  return text.trim().replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<instant>')
}
