import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import type { VerifiedApiKey } from '../../src/access/api-key.ts'
import { ApiKeys } from '../../src/access/api-keys.ts'
import { PrismaApiKeyStore } from '../../src/access/prisma-api-key-store.ts'
import { PrismaRevocationStore } from '../../src/access/prisma-revocation-store.ts'
import { Revocations } from '../../src/access/revocations.ts'
import { openPostgresql } from '../../src/database/postgresql.ts'
import { createFolder } from '../support/carillon.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { spawnCli } from '../support/process.ts'

const CREATE = ['keys', 'create', '--name', 'billing', '--can', 'chat:*=PUBLISH'] as const

/** Processes and databases start slowly on a machine that does other things too. */
const PATIENCE_MS = 120_000

interface Ended {
  readonly code: number | null
  /** On both streams. */
  readonly output: string
  /** On the one that scripts read. */
  readonly printed: string
}

async function run(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Ended> {
  await using cli = spawnCli(args, environment)
  let printed = ''
  cli.child.stdout?.on('data', (chunk) => {
    printed += String(chunk)
  })
  return { code: await cli.exited(), output: cli.output(), printed }
}

/** What a server with this database takes a key for. */
async function verify(url: string, key: string): Promise<VerifiedApiKey | undefined> {
  const database = await openPostgresql({ url })
  try {
    const store = new PrismaRevocationStore(database)
    await using revocations = new Revocations({ store, onFault: () => {} })
    await revocations.start()
    return await new ApiKeys({ store: new PrismaApiKeyStore(database), revocations }).verify(key)
  } finally {
    await database.close()
  }
}

async function revocationsIn(url: string): Promise<readonly string[]> {
  const database = await openPostgresql({ url })
  try {
    const found = await new PrismaRevocationStore(database).after(0, 10)
    return found.map(({ kind, value }) => `${kind} ${value}`)
  } finally {
    await database.close()
  }
}

describeWithPostgresql('with PostgreSQL', () => {
  test(
    'makes a key that servers take, lists it without its secret, and revokes it',
    async () => {
      await using database = await createDatabase()
      const environment = { DATABASE_URL: database.url }
      const empty = await run(['keys', 'list'], environment)
      expect(empty).toMatchObject({ code: 0, output: 'There are no keys.\n' })

      const args = [...CREATE, '--can', 'a,b=HISTORY,ACK', '--expires', '2999-12-31']
      const { printed, output } = await run(args, environment)
      expect(printed).toMatch(/^carillon_[0-9A-Za-z]{12}_[A-Za-z0-9_-]{43}\n$/)
      const key = printed.trim()
      const id = key.slice(9, 21)
      expect(output).toContain(
        `This is the key ${id}. It is not shown again. It expires at 2999-12-31T00:00:00Z.\n`,
      )
      expect(await verify(database.url, key)).toMatchObject({ id, name: 'billing' })

      const listed = await run(['keys', 'list'], environment)
      const lines = [
        '^ID +NAME +CAN +CREATED +EXPIRES +STATE',
        `${id} +billing +chat:\\*=PUBLISH a,b=HISTORY,ACK +\\S+Z +2999-12-31T00:00:00Z +active\n$`,
      ]
      expect(listed.output).toMatch(new RegExp(lines.join('\n')))
      expect(listed.output).not.toContain(key.slice(22))

      expect(await run(['keys', 'revoke', id], environment)).toMatchObject({
        code: 0,
        output: `The key ${id} is revoked. Running servers refuse it within a second.\n`,
      })
      expect(await verify(database.url, key)).toBeUndefined()
      expect((await run(['keys', 'list'], environment)).output).toContain('  revoked\n')
      expect(await run(['keys', 'revoke', id], environment)).toMatchObject({
        code: 1,
        output: 'carillon: There is no key with this id, or it was revoked before.\n',
      })
    },
    PATIENCE_MS,
  )

  test(
    'revokes users, tokens and clients',
    async () => {
      await using database = await createDatabase()
      const environment = { DATABASE_URL: database.url }
      const user = await run(['revoke', '--user', 'ann'], environment)
      expect(user.code).toBe(0)
      expect(user.output).toMatch(/^What was issued to the user ann until \S+Z is revoked\. .+\n$/)
      const token = await run(['revoke', '--token-id', 'jti'], environment)
      expect(token.output).toMatch(/^The token jti is revoked\. .+\n$/)
      expect((await run(['revoke', '--client=phone'], environment)).code).toBe(0)
      expect(await revocationsIn(database.url)).toEqual(['user ann', 'token jti', 'client phone'])
    },
    PATIENCE_MS,
  )

  test(
    'tells what is not valid in one line, and repeats no key',
    async () => {
      await using database = await createDatabase()
      const environment = { DATABASE_URL: database.url }
      const key = `carillon_abcdefghijkl_${'A'.repeat(43)}`
      const cases = [
        [['keys', 'create', '--name', '', '--can', 'a=PUBLISH'], 'The name of a key'],
        [[...CREATE, '--can', 'a:*:b=PUBLISH'], 'A topic pattern is'],
        [[...CREATE, '--expires', '2020-01-01'], 'in the future'],
        [['keys', 'revoke', key], 'There is no key with this id'],
      ] as const
      for (const [args, says] of cases) {
        const { code, output } = await run(args, environment)
        expect({ args, code }).toEqual({ args, code: 1 })
        expect(output).toMatch(/^carillon: [^\n]+\n$/)
        expect(output).toContain(says)
        expect(output).not.toContain(key)
      }
    },
    PATIENCE_MS,
  )
})

test(
  'says in one line that a running server has the embedded database, and uses it afterwards',
  async () => {
    await using folder = await createFolder()
    const environment = { CARILLON_DATA_DIR: folder.path }
    await using server = spawnCli(['serve'], environment)
    await server.ready()
    for (const args of [CREATE, ['revoke', '--user', 'ann']]) {
      const { code, output } = await run(args, environment)
      expect(code).toBe(1)
      expect(output).toBe(
        `carillon: The data directory ${folder.path} is in use by a running server (process ` +
          `${server.child.pid} on ${hostname()}): stop it first, or ask it by its library.\n`,
      )
    }
    server.child.kill('SIGTERM')
    await server.exited()
    expect(await run(CREATE, environment)).toMatchObject({ code: 0 })
    expect((await run(['keys', 'list'], environment)).output).toContain('  billing  ')
  },
  PATIENCE_MS,
)

test('says that the database cannot be reached, without its password', async () => {
  const environment = { DATABASE_URL: 'postgresql://u:secret@127.0.0.1:1/x' }
  const { code, output } = await run(['keys', 'list'], environment)
  expect(code).toBe(1)
  expect(output).toMatch(/^carillon: .+ cannot be used: [^\n]+\n$/)
  expect(output).not.toContain('secret')
})

test.each([
  ['keys', '--help'],
  ['keys', 'create', '-h'],
  ['revoke', '--help'],
])('shows the help for %s %s', async (...args) => {
  const { code, output } = await run(args)
  expect(code).toBe(0)
  expect(output).toContain('carillon keys create --name')
  expect(output).toContain('carillon revoke --user')
})

test('refuses a command that does not exist in one line and exit code 1', async () => {
  const { code, output } = await run(['keys', 'bogus'])
  expect(code).toBe(1)
  expect(output).toMatch(/^carillon: carillon keys takes create, list or revoke[^\n]+\n$/)
})
