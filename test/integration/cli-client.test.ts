import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createClient } from '../../src/client/index.ts'
import { startServer, type TestServer } from '../support/carillon.ts'
import { type Ended, runCommand, startCommand } from '../support/command.ts'
import { ROOT } from '../support/markdown.ts'
import { openTcpProxy } from '../support/tcp-proxy.ts'
import { SECRET, tokenOf } from '../support/tokens.ts'

/** Each process loads a command, on a machine that does other things too. */
const PATIENCE_MS = 120_000

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

function run(args: readonly string[], input?: string): Promise<Ended> {
  return runCommand(args, { url: server.url, ...(input === undefined ? {} : { input }) })
}

/** In parts: a busy machine is not to be late with any of them. */
async function publishMany(topic: string, count: number, payload: unknown = 0): Promise<void> {
  for (let left = count; left > 0; left -= PART) {
    const part = Array.from({ length: Math.min(left, PART) }, () => ({ topic, payload }))
    await server.carillon.publishMany(part)
  }
}

const PART = 100

function documents(text: string): readonly Record<string, unknown>[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

test(
  'publishes JSON, texts and standard input, and history shows them in columns or as JSON',
  async () => {
    const first = await run(['publish', 'chat:1', '{"text":"Hi"}'])
    expect(first).toMatchObject({ code: 0, out: 'Published to chat:1 as 1.\n', err: '' })
    const second = await run([
      'publish',
      'chat:1',
      '--text',
      'Hi\u001b[2J',
      '--user',
      'ann',
      '--type',
      'note',
    ])
    expect(second.code).toBe(0)
    const third = await run(['publish', 'chat:1', '-', '--json', '--key', 'k'], '[1,\n2]\n')
    expect(documents(third.out)).toMatchObject([
      { sequence: 3, payload: [1, 2], idempotencyKey: 'k' },
    ])

    const shown = await run(['history', 'chat:1'])
    const time = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z'
    const lines = [
      `^${time}  chat:1    1  anonymous  message  {"text":"Hi"}`,
      `${time}  chat:1    2  ann        note     "Hi\\\\u001b\\[2J"`,
      `${time}  chat:1    3  anonymous  message  \\[1,2\\]\n$`,
    ]
    expect(shown.out).toMatch(new RegExp(lines.join('\n')))
    const json = documents((await run(['history', 'chat:1', '--json', '--all'])).out)
    expect(json).toMatchObject([
      { sequence: 1 },
      { payload: 'Hi\u001b[2J', from: 'ann' },
      { sequence: 3 },
    ])
    const page = await run([
      'history',
      'chat:1',
      '--json',
      '--first',
      '1',
      '--after',
      String(json[0]?.cursor),
    ])
    expect(documents(page.out)).toMatchObject([{ sequence: 2 }])
    expect(await run(['history', 'nothing:1'])).toMatchObject({ code: 0, out: '', err: '' })
  },
  PATIENCE_MS,
)

test(
  'publishes many lines in order, and as fast as they are answered',
  async () => {
    const input = upTo(3_000).map((number) => `{"number":${number}}\n\n`)
    const ended = await run(['publish', 'lines:1', '--lines'], input.join(''))
    expect(ended).toMatchObject({
      code: 0,
      out: 'Published 3000 messages to lines:1, up to 3000.\n',
    })
    const read = await run(['history', 'lines:1', '--all', '--json'])
    const numbers = documents(read.out).map(({ payload }) => (payload as { number: number }).number)
    expect(numbers).toEqual(upTo(3_000))
  },
  PATIENCE_MS,
)

test(
  'stops at the first line that is refused, and says which one it is',
  async () => {
    const ended = await run(['publish', 'lines:2', '-', '--lines', '--json'], '1\n\n"2"\nthree\n4')
    expect(ended.code).toBe(1)
    expect(ended.err).toBe(
      'carillon: Line 4: The payload is not JSON: three; --text takes a text as it is\n',
    )
    expect(documents(ended.out)).toMatchObject([{ payload: 1 }, { payload: '2' }])
  },
  PATIENCE_MS,
)

test(
  'tells in one line what the server refuses',
  async () => {
    await publishMany('refused:1', 1)
    const cases = [
      [['publish', 'refused:1', '1', '--expected-head', '7'], 1, '(SEQUENCE_CONFLICT)'],
      [['tail', 'refused:1', '--after', 'nonsense'], 1, '(INVALID_CURSOR)'],
      [['history', 'refused:1', '--url', `${server.url}/elsewhere`], 1, 'it answers with 404'],
      [['tail', 'refused:*', '--url', `${server.url}/elsewhere`], 1, 'it answers with 404'],
      [['presence', 'refused:1', '--url', guarded.url], 1, 'asks for a token: --token'],
    ] as const
    for (const [args, code, says] of cases) {
      const ended = await run(args)
      expect({ args, ...ended }).toMatchObject({ args, code, out: '' })
      expect(ended.err).toMatch(/^carillon: [^\n]+\n$/)
      expect(ended.err).toContain(says)
    }
  },
  PATIENCE_MS,
)

test.each([[['publish', 'a', '1']], [['tail', 'a']], [['tail', 'a:*']], [['presence', 'a']]])(
  '%j says that the server is away, and ends with 75',
  async (args) => {
    const ended = await runCommand([...args, '--timeout', '1'], { url: 'http://127.0.0.1:1' })
    expect(ended).toMatchObject({ code: 75, out: '' })
    const why = 'http://127.0.0.1:1/graphql: connect ECONNREFUSED 127.0.0.1:1.'
    expect(ended.err).toBe(
      `carillon: No connection to ${why} Trying again …\ncarillon: There is no connection to ${why}\n`,
    )
  },
  PATIENCE_MS,
)

test(
  'waits for a server that comes in time',
  async () => {
    await using proxy = await openTcpProxy(1)
    const url = `http://127.0.0.1:${proxy.port}`
    await using command = startCommand(['publish', 'late:1', '1', '--timeout', '60'], { url })
    await command.printed('err', 'Trying again')
    proxy.leadTo(Number(new URL(server.url).port))
    expect(await command.ended()).toMatchObject({ code: 0, out: 'Published to late:1 as 1.\n' })
  },
  PATIENCE_MS,
)

test.each([
  ['cut:1', 'cut:1'],
  ['cuts:*', 'cuts:1'],
])(
  'tail %s prints every message once and in order, through connections that are cut',
  async (topic, name) => {
    await publishMany(name, 10)
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    const url = `http://127.0.0.1:${proxy.port}/graphql`
    const args = ['tail', topic, '--last', '10', '--count', '40', '--json', '--timeout', '60']
    await using command = startCommand(args, { url })
    await command.printed('out', '"sequence":10')
    for (const round of [2, 3, 4]) {
      proxy.cut()
      await publishMany(name, 10)
      await command.printed('out', `"sequence":${round * 10},`)
    }
    const { code, out, err } = await command.ended()
    expect(documents(out).map(({ sequence }) => sequence)).toEqual(upTo(40))
    expect(code).toBe(0)
    expect(err).toMatch(
      /^(carillon: The connection to \S+ is lost: it was cut\. Trying again …\ncarillon: Connected again\.\n)+$/,
    )
  },
  PATIENCE_MS,
)

test.each([
  ['named:*', (round: number) => `named:${round}`],
  ['alone:1', () => 'alone:1'],
])(
  'tail %s goes on where it was, though the token may not read history',
  async (topics, topicOf) => {
    const publish = (round: number) =>
      guarded.carillon.publish({ topic: topicOf(round), payload: `round ${round}` })
    const token = await tokenOf({ can: [{ topics, actions: ['SUBSCRIBE'] }] })
    await using proxy = await openTcpProxy(Number(new URL(guarded.url).port))
    const url = `http://127.0.0.1:${proxy.port}`
    await using command = startCommand(['tail', topics, '--token', token], { url })
    let isListening = false
    const listening = command.printed('out', 'round 0').then(() => {
      isListening = true
    })
    while (!isListening) {
      await publish(0)
      await Promise.race([listening, pause(100)])
    }
    for (const round of [1, 2, 3]) {
      proxy.cut()
      await publish(round)
      await command.printed('out', `"round ${round}"`)
    }
    command.kill('SIGINT')
    const { out, err } = await command.ended()
    expect(err).not.toContain('PERMISSION_DENIED')
    expect(out.match(/"round [123]"/g)).toEqual(['"round 1"', '"round 2"', '"round 3"'])
  },
  PATIENCE_MS,
)

test.each([
  ['slow:1', 'slow:1'],
  ['slows:*', 'slows:1'],
])(
  'tail %s is as slow as its reader, who gets everything in the end',
  async (topic, name) => {
    await publishMany(name, 1)
    const args = ['tail', topic, '--last', '1', '--json', '--count', '3001']
    await using command = startCommand(args, { url: server.url })
    await command.printed('out', '\n')
    command.pause()
    await publishMany(name, 3_000, 'x'.repeat(1_000))
    command.resume()
    const { code, out, err } = await command.ended()
    expect(documents(out).map(({ sequence }) => sequence)).toEqual(upTo(3_001))
    expect({ code, err }).toEqual({ code: 0, err: '' })
  },
  PATIENCE_MS,
)

test.each([
  ['tail', 'SIGINT', ['tail', 'end:1', '--last', '1']],
  ['tail', 'SIGTERM', ['tail', 'end:*', 'end:1', '--last', '1']],
  ['presence --follow', 'SIGINT', ['presence', 'end:1', '--follow', '--json']],
] as const)(
  '%s ends at %s without a word',
  async (_name, signal, args) => {
    await publishMany('end:1', 1)
    await using command = startCommand(args, { url: server.url })
    await command.printed('out', '\n')
    command.kill(signal)
    expect(await command.ended()).toMatchObject({ code: null, signal, err: '' })
  },
  PATIENCE_MS,
)

test(
  'ends quietly when nobody reads its output any more',
  async () => {
    await publishMany('unread:1', 1_000, 'x'.repeat(500))
    const script = 'node dist/cli.js history unread:1 --all --json | head -n 1; echo $PIPESTATUS'
    const shell = spawn('bash', ['-c', script], {
      cwd: ROOT,
      env: { PATH: process.env.PATH ?? '', CARILLON_URL: server.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    shell.stdout.on('data', (chunk) => {
      out += String(chunk)
    })
    shell.stderr.on('data', (chunk) => {
      err += String(chunk)
    })
    await once(shell, 'close')
    const [line = '', status] = out.split('\n')
    expect(JSON.parse(line)).toMatchObject({ sequence: 1 })
    expect({ status, err }).toEqual({ status: '141', err: '' })
  },
  PATIENCE_MS,
)

test(
  'shows who is there, and who comes and goes',
  async () => {
    expect(await run(['presence', 'room:1'])).toMatchObject({ code: 0, out: 'Nobody is there.\n' })
    const options = { url: server.url, webSocketImpl: WebSocket }
    await using ann = createClient({ ...options, connectionParams: { userId: 'ann' } })
    const entry = ann.topic('room:1').enter({ status: 'here' })
    await new Promise((resolve) => entry.onChange(resolve))
    const table = await run(['presence', 'room:1'])
    expect(table.out).toMatch(/^USER +CLIENTS +SINCE +STATE\nann +1 +\S+Z +{"status":"here"}\n$/)
    expect(documents((await run(['presence', 'room:1', '--json'])).out)).toMatchObject([
      { userId: 'ann' },
    ])

    await using following = startCommand(['presence', 'room:1', '-f'], { url: server.url })
    await following.printed('out', /^\S+Z {2}= ann {2}{"status":"here"}\n/)
    await entry.update({ status: 'away' })
    await following.printed('out', '~ ann  {"status":"away"}\n')
    entry.leave()
    await following.printed('out', '- ann')
  },
  PATIENCE_MS,
)

test(
  'makes tokens that the server with the same secret takes, for what they say',
  async () => {
    const environment = { CARILLON_JWT_SECRET: SECRET }
    const make = (...args: string[]) =>
      runCommand(['token', '--user', 'ann', ...args], { environment })
    const all = await make()
    expect(all).toMatchObject({ code: 0, out: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/) })
    expect(all.err).toMatch(/^This is a token of ann until \S+Z, with the id [\w-]{36}\.\n$/)
    const reader = (await make('--can', 'chat:*=HISTORY', '--expires', '2h')).out.trim()
    const url = guarded.url

    const published = await runCommand(['publish', 'chat:1', '1', '--token', all.out.trim()], {
      url,
    })
    expect(published).toMatchObject({ code: 0, out: 'Published to chat:1 as 1.\n' })
    const asReader = { url, environment: { CARILLON_TOKEN: reader } }
    expect((await runCommand(['history', 'chat:1'], asReader)).out).toContain('  ann  ')
    const refused = await runCommand(['publish', 'chat:1', '1'], asReader)
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('(PERMISSION_DENIED)') })

    const unseen = await runCommand(['tail', 'chat:*', 'chat:1'], asReader)
    expect(unseen).toMatchObject({ code: 1, err: expect.stringContaining('(PERMISSION_DENIED)') })

    const old = await tokenOf({ expiresIn: -60 })
    for (const topic of ['chat:1', 'chat:*']) {
      const late = await runCommand(['tail', topic, '--token', old], { url })
      expect(late).toMatchObject({ code: 1, out: '' })
      expect(late.err).toBe('carillon: The token has run out. (UNAUTHENTICATED)\n')
    }
  },
  PATIENCE_MS,
)

test(
  'prints the schema, and the help of each command',
  async () => {
    const schema = await runCommand(['schema'])
    expect(schema.out).toBe(await readFile(`${ROOT}schema.graphql`, 'utf8'))
    for (const name of ['publish', 'tail', 'history', 'presence', 'token']) {
      const help = await runCommand([name, '--help'])
      expect(help).toMatchObject({ code: 0, err: '' })
      expect(help.out).toMatch(new RegExp(`^carillon ${name} – [^\n]+\n\nUsage\n`))
    }
  },
  PATIENCE_MS,
)
