import type { Identity } from 'carillon'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACCEPTED, type Credential, covers, TOPIC, USER } from '../../support/matrix/credentials.ts'
import { callLibrary, LIBRARY, type LibraryOperation } from '../../support/matrix/library.ts'
import { ANSWERED, CLIENT_ID } from '../../support/matrix/transports.ts'
import { prepareWorld, type World } from '../../support/matrix/world.ts'

/** Members that nobody is allowed or refused: what the server is, and what operators do. */
const OF_OPERATORS = [
  'schema',
  'start',
  'database',
  'bus',
  'auth',
  'use',
  'revoke',
  'createApiKey',
  'apiKeys',
  'revokeApiKey',
  'reauthorize',
  'applyRetention',
  'fetch',
  'attach',
  'listen',
  'health',
  'metrics',
  'close',
]

let world: World

beforeAll(async () => {
  world = await prepareWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

function expectedOf({ needs, isLive }: LibraryOperation, { grants, target }: Credential): string {
  const where = isLive === true ? (target ?? TOPIC) : TOPIC
  const isCovered = needs.every((action) => covers(grants ?? [], action, where))
  return isCovered ? ANSWERED : 'PERMISSION_DENIED'
}

/** What came of a method, with what should have. */
async function call(operation: LibraryOperation, credential: Credential, more: Partial<Identity>) {
  const expected = expectedOf(operation, credential)
  const mark = expected === ANSWERED && more.expiresAt === undefined ? 'allowed' : 'denied'
  const { prepared, token, server } = world
  const asked = { ...prepared, token, mark, target: credential.target ?? TOPIC } as const
  const as = { userId: USER, clientId: CLIENT_ID, capabilities: credential.grants, ...more }
  const outcome = await callLibrary(operation, server.carillon, { as, asked })
  return { name: `${String(operation.name)} ${operation.remark ?? ''}`, outcome, expected }
}

test.each(ACCEPTED.map((credential) => [credential.name, credential] as const))(
  'the library does for someone what that one may do: %s',
  async (_name, credential) => {
    const denied = LIBRARY.filter((operation) => expectedOf(operation, credential) !== ANSWERED)
    const before = await world.fingerprint()
    for (const operation of denied) {
      const { name, outcome, expected } = await call(operation, credential, {})
      expect(`${name}: ${outcome}`).toBe(`${name}: ${expected}`)
    }
    expect(await world.fingerprint()).toEqual(before)
    expect([...world.delivered()]).not.toContain('denied')
    for (const operation of LIBRARY) {
      if (denied.includes(operation)) continue
      const { name, outcome } = await call(operation, credential, {})
      expect(`${name}: ${outcome}`).toBe(`${name}: ${ANSWERED}`)
    }
  },
)

test('the library does nothing for someone whose credentials have run out', async () => {
  const before = await world.fingerprint()
  const everything = { name: 'everything', grants: [{ topics: '*', actions: ['*' as const] }] }
  for (const operation of LIBRARY) {
    const credential = { ...everything, show: async () => undefined }
    const { outcome } = await call(operation, credential, { expiresAt: new Date(Date.now() - 1) })
    expect(`${String(operation.name)}: ${outcome}`).toBe(
      `${String(operation.name)}: UNAUTHENTICATED`,
    )
  }
  expect(await world.fingerprint()).toEqual(before)
  expect([...world.delivered()]).not.toContain('denied')
})

test('every method that does something for someone is asked', () => {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(world.server.carillon)).concat(
    Object.keys(world.server.carillon),
  )
  const asked = LIBRARY.map(({ name }) => String(name))
  const missing = names.filter((name) => ![...asked, ...OF_OPERATORS, 'constructor'].includes(name))
  expect(missing).toEqual([])
  const cases = ACCEPTED.flatMap((credential) =>
    LIBRARY.map((operation) => expectedOf(operation, credential)),
  )
  expect([cases.length, cases.filter((expected) => expected === ANSWERED).length]).toEqual([
    418, 195,
  ])
})
