import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createFolder, request } from '../support/carillon.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { preparedEnvironment } from '../support/prepared-node.ts'
import { type CliProcess, spawnCli, spawnNpmStart } from '../support/process.ts'
import { rejection } from '../support/rejection.ts'
import { openAcknowledged } from '../support/websocket.ts'

const IN_MEMORY = { CARILLON_DATA_DIR: 'memory:' }

async function run(args: readonly string[], environment: Record<string, string> = {}) {
  await using cli = spawnCli(args, environment)
  return { code: await cli.exited(), output: cli.output() }
}

/** Sends a signal and answers how long the process took to end, and its exit code. */
async function stop(server: CliProcess, signal: NodeJS.Signals) {
  const began = performance.now()
  server.child.kill(signal)
  const code = await server.exited()
  return { code, tookMs: performance.now() - began }
}

test('prints one banner that names the address, the database, the bus and the way out', async () => {
  await using server = spawnCli(['serve'], IN_MEMORY)
  const url = await server.ready()
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/graphql$/)
  expect(server.output()).toContain('Database   embedded PostgreSQL, in memory')
  expect(server.output()).toContain('Bus        in process')
  expect(server.output()).toContain('Ctrl+C')
  expect(await request(url, '{ viewer { userId } }')).toEqual({
    data: { viewer: { userId: 'anonymous' } },
  })
})

test('prints its help and its version', async () => {
  const help = await run(['--help'])
  expect(help.code).toBe(0)
  expect(help.output).toContain('carillon migrate')
  const version = await run(['--version'])
  expect(version).toEqual({ code: 0, output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})

test.each([
  [['bogus'], {}, 'There is no command "bogus"'],
  [['--bogus'], {}, "Unknown option '--bogus'"],
  [['serve', 'more'], {}, 'more is too much'],
  [['serve'], { PORT: 'x' }, 'PORT has to be a port number'],
  [['serve'], { HOST: '0.0.0.0' }, 'CARILLON_AUTH=open'],
  [
    ['serve'],
    { ...IN_MEMORY, HOST: '203.0.113.1', CARILLON_AUTH: 'open' },
    'no address of this machine',
  ],
  [
    ['serve'],
    { DATABASE_URL: 'postgresql://127.0.0.1:1/x' },
    'cannot be used: connect ECONNREFUSED',
  ],
  [['migrate'], {}, 'Set DATABASE_URL'],
  [['migrate'], { DATABASE_URL: 'postgresql://u:secret@127.0.0.1:1/x' }, 'cannot be used'],
] as const)('refuses %j with %j in one line and exit code 1', async (args, environment, says) => {
  const { code, output } = await run(args, environment)
  expect(code).toBe(1)
  expect(output).toMatch(/^carillon: [^\n]+\n$/)
  expect(output).toContain(says)
  expect(output).not.toContain('secret')
})

test('says that a port is in use', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const { code, output } = await run(['serve'], { ...IN_MEMORY, PORT: String(port) })
  other.close()
  expect(code).toBe(1)
  expect(output).toBe(`carillon: Port ${port} on 127.0.0.1 is in use; set PORT to another one.\n`)
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  'on %s closes subscriptions so that clients come back, and exits with 0',
  async (signal) => {
    await using server = spawnCli(['serve'], IN_MEMORY)
    const url = await server.ready()
    await using raw = await openAcknowledged(url.replace('http', 'ws'))
    raw.send({
      id: '1',
      type: 'subscribe',
      payload: { query: 'subscription { messages(topics: "chat:1") { sequence } }' },
    })
    raw.send({ type: 'ping' })
    await raw.receive()
    const events = await fetch(url, {
      method: 'POST',
      headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'subscription { messages(topics: "chat:1") { sequence } }' }),
    })
    const stream = events.text().then(
      (text) => ({ text, cut: false }),
      () => ({ text: '', cut: true }),
    )
    const { code, tookMs } = await stop(server, signal)
    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(10_000)
    expect(await raw.closed()).toMatchObject({ code: 1012 })
    expect(raw.pending()).toEqual([])
    expect((await stream).text).not.toContain('event: complete')
  },
)

test('closes at a Ctrl+C that comes twice, from the terminal and from npm', async () => {
  await using folder = await createFolder()
  await using npm = spawnNpmStart({
    CARILLON_DATA_DIR: folder.path,
    npm_config_script_shell: '/bin/bash', // which makes the server npm's own child
  })
  await npm.ready()
  process.kill(-(npm.child.pid ?? 0), 'SIGINT')
  await npm.exited()
  expect(npm.output()).toContain('Closing')
  const lock = await readFile(join(folder.path, 'lock.1'), 'utf8')
  expect(JSON.parse(lock)).toMatchObject({ released: true })
})

test('closes when npm, which started it, is told to end', async () => {
  await using npm = spawnNpmStart({ ...IN_MEMORY, ...preparedEnvironment() })
  const url = await npm.ready()
  expect(await request(url, '{ viewer { userId } }')).toHaveProperty('data')
  npm.child.kill('SIGTERM')
  // The server holds the streams that it shares with npm: they end when it does.
  await npm.exited()
  expect(npm.output()).toContain('Closing')
  expect(await rejection(fetch(url))).toBeInstanceOf(TypeError)
})

test('on SIGTERM finishes the publishes that are in flight', async () => {
  await using server = spawnCli(['serve'], IN_MEMORY)
  const url = await server.ready()
  await using raw = await openAcknowledged(url.replace('http', 'ws'))
  for (let id = 1; id <= 50; id++) {
    raw.send({
      id: String(id),
      type: 'subscribe',
      payload: {
        query: 'mutation { publish(input: { topic: "chat:1", payload: 1 }) { duplicate } }',
      },
    })
  }
  await raw.receive()
  const stopping = stop(server, 'SIGTERM')
  const { code } = await raw.closed()
  expect(code).toBe(1012)
  expect(await stopping).toMatchObject({ code: 0 })
  const answered = raw.pending().filter(({ type }) => type === 'next')
  for (const { payload } of answered) {
    expect(payload).toEqual({ data: { publish: { duplicate: false } } })
  }
  expect(answered.length + 1).toBe(50)
})

describeWithPostgresql('with PostgreSQL', () => {
  test('migrates, says what it did, and has nothing to do the second time', async () => {
    await using database = await createDatabase()
    const first = await run(['migrate'], { DATABASE_URL: database.url })
    expect(first.code).toBe(0)
    expect(first.output).toMatch(/^(Applied \d+_\w+\n){2,}$/)
    expect(await run(['migrate'], { DATABASE_URL: database.url })).toEqual({
      code: 0,
      output: 'The database is up to date.\n',
    })
  })

  test('starts ten servers at once on an empty database', async () => {
    await using database = await createDatabase()
    const servers = Array.from({ length: 10 }, () =>
      spawnCli(['serve'], { DATABASE_URL: database.url }),
    )
    try {
      const urls = await Promise.all(servers.map((server) => server.ready()))
      expect(new Set(urls).size).toBe(10)
      expect(servers[0]?.output()).toContain('Database   PostgreSQL, 127.0.0.1:5432/')
      const stopped = await Promise.all(servers.map((server) => stop(server, 'SIGTERM')))
      expect(stopped.map(({ code }) => code)).toEqual(Array.from({ length: 10 }, () => 0))
    } finally {
      for (const server of servers) await server[Symbol.asyncDispose]()
    }
  }, 60_000)
})
