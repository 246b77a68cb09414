import { readFileSync } from 'node:fs'
import { buildSchema, GraphQLObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ACCEPTED,
  type Credential,
  covers,
  KEYS,
  REFUSED,
  TOPIC,
  WIDE,
} from '../../support/matrix/credentials.ts'
import { type MatrixOperation, OPERATIONS } from '../../support/matrix/operations.ts'
import {
  ANSWERED,
  type Answer,
  type Channel,
  SOCKET,
  TRANSPORTS,
  type Transport,
} from '../../support/matrix/transports.ts'
import { prepareWorld, type World } from '../../support/matrix/world.ts'

/** One operation, asked for by one caller over one transport. */
interface Case {
  readonly operation: MatrixOperation
  readonly expected: string
}

interface Group {
  readonly credential: Credential
  readonly transport: Transport
  readonly cases: readonly Case[]
}

function groupsOf(credentials: readonly Credential[]): readonly Group[] {
  return credentials.flatMap((credential) =>
    TRANSPORTS.map((transport) => ({
      credential,
      transport,
      cases: OPERATIONS.filter((operation) => isAsked(operation, credential, transport)).map(
        (operation) => ({ operation, expected: expectedOf(operation, credential, transport) }),
      ),
    })).filter(({ cases }) => cases.length > 0),
  )
}

function isAsked(
  { name, kind }: MatrixOperation,
  { target, isSampled, isForSockets }: Credential,
  transport: Transport,
): boolean {
  const { kinds } = transport
  if (isForSockets === true && transport !== SOCKET) return false
  if (isSampled === true && !SAMPLE.has(name)) return false
  return kinds.includes(kind) && (target === undefined || kind === 'subscription')
}

const SAMPLE = new Set(['Query.viewer', 'Mutation.publish', 'Subscription.messages'])

/** What has to come of it, by what the operation needs and the credential covers. */
function expectedOf(
  { name, kind, needs, denied }: MatrixOperation,
  { grants, target = TOPIC }: Credential,
  transport: Transport,
): string {
  if (grants === undefined) return transport === SOCKET ? 'closed' : 'UNAUTHENTICATED'
  const where = kind === 'subscription' ? target : TOPIC
  if (!needs.every((action) => covers(grants, action, where))) return denied
  const isForSockets = name === 'Mutation.refreshToken' && transport !== SOCKET
  return isForSockets ? 'INVALID_INPUT' : ANSWERED
}

const REFUSED_GROUPS = groupsOf(REFUSED)
const ACCEPTED_GROUPS = groupsOf([...ACCEPTED, ...KEYS])

let world: World

beforeAll(async () => {
  world = await prepareWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

function documentOf(
  { operation, expected }: Case,
  { credential }: Group,
  token: string | undefined,
): string {
  const mark = expected === ANSWERED ? 'allowed' : 'denied'
  const target = credential.target ?? TOPIC
  return operation.document({ ...world.prepared, target, mark, token: token ?? world.token })
}

/** Asks for all of these at once; answers what came of each, by its name. */
async function askAll(
  group: Group,
  cases: readonly Case[],
  token: string | undefined,
): Promise<ReadonlyMap<Case, Answer>> {
  await using channel: Channel = await group.transport.open(world.server, token)
  const answers = await Promise.all(
    cases.map(async (each) => [each, await channel.ask(documentOf(each, group, token))] as const),
  )
  return new Map(answers)
}

/** Some are answered only by what is published meanwhile. */
async function whilePublishing<T>(work: Promise<T>): Promise<T> {
  let isDone = false
  const done = work.finally(() => {
    isDone = true
  })
  while (!isDone) {
    await world.server.carillon.publish({ topic: TOPIC, payload: 0, type: 'allowed' })
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 20))]).catch(() => {})
  }
  return done
}

function outcomes(answers: ReadonlyMap<Case, Answer>): Record<string, string> {
  return Object.fromEntries(
    [...answers].map(([each, { outcome }]) => [each.operation.name, outcome]),
  )
}

function expectations(cases: readonly Case[]): Record<string, string> {
  return Object.fromEntries(cases.map(({ operation, expected }) => [operation.name, expected]))
}

/** Whatever was refused has left no trace. */
async function expectNothingHappened(before: unknown): Promise<void> {
  expect(await world.fingerprint()).toEqual(before)
  expect([...world.delivered()]).not.toContain('denied')
}

/** The groups of each caller, by its name. */
function byCredential(groups: readonly Group[]): readonly (readonly [string, readonly Group[]])[] {
  const names = new Set(groups.map(({ credential }) => credential.name))
  return [...names].map((name) => [
    name,
    groups.filter(({ credential }) => credential.name === name),
  ])
}

function showOf([group]: readonly Group[]): Promise<string | undefined> {
  if (group === undefined) throw new Error('There are no cases.')
  return group.credential.show(world.server.carillon)
}

test.each(byCredential(REFUSED_GROUPS))(
  'who cannot say who it is gets nothing: %s',
  async (_name, groups) => {
    const token = await showOf(groups)
    const before = await world.fingerprint()
    for (const group of groups) {
      const asked = group.cases.map((each) => askAll(group, [each], token))
      for (const answers of await Promise.all(asked)) {
        const [answer] = answers.values()
        expect(answer).toMatchObject(
          group.transport === SOCKET
            ? { outcome: 'closed', text: expect.stringMatching(/^4403 UNAUTHENTICATED: /) }
            : { outcome: 'UNAUTHENTICATED', status: 401, challenge: 'Bearer' },
        )
      }
    }
    await expectNothingHappened(before)
  },
)

test.each(byCredential(ACCEPTED_GROUPS))(
  'operations need what they need, and nothing else: %s',
  async (_name, groups) => {
    const token = await showOf(groups)
    const denied = (cases: readonly Case[]) => cases.filter(({ expected }) => expected !== ANSWERED)
    const allowed = (cases: readonly Case[]) =>
      cases.filter(({ expected }) => expected === ANSWERED)
    const before = await world.fingerprint()
    await Promise.all(groups.map((group) => expectOutcomes(group, denied(group.cases), token)))
    await expectNothingHappened(before)
    await whilePublishing(
      Promise.all(groups.map((group) => expectOutcomes(group, allowed(group.cases), token))),
    )
  },
)

async function expectOutcomes(
  group: Group,
  cases: readonly Case[],
  token: string | undefined,
): Promise<void> {
  if (cases.length === 0) return
  const answers = await askAll(group, cases, token)
  expect([group.transport.name, outcomes(answers)]).toEqual([
    group.transport.name,
    expectations(cases),
  ])
}

describe('the matrix is whole', () => {
  const schema = buildSchema(
    readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8'),
  )
  const names = new Set(OPERATIONS.map(({ name }) => name.split(' ')[0]))

  test.each(['Query', 'Mutation', 'Subscription'])('every field of %s is in it', (type) => {
    const root = schema.getType(type)
    const fields = root instanceof GraphQLObjectType ? Object.keys(root.getFields()) : []
    expect(fields.length).toBeGreaterThan(2)
    expect(fields.filter((field) => !names.has(`${type}.${field}`))).toEqual([])
  })

  test('every kind of node is in it', () => {
    const nodes = schema.getImplementations(interfaceOf('Node')).objects.map(({ name }) => name)
    expect(
      nodes.filter((name) => !OPERATIONS.some((it) => it.name === `Query.node ${name}`)),
    ).toEqual([])
  })

  test('it has as many cases as it had when it was written', () => {
    const count = (groups: readonly Group[]) => groups.flatMap(({ cases }) => cases).length
    const allowed = ACCEPTED_GROUPS.flatMap(({ cases }) => cases).filter(
      ({ expected }) => expected === ANSWERED,
    )
    expect([count(REFUSED_GROUPS), count(ACCEPTED_GROUPS), allowed.length]).toEqual([
      676, 1946, 1092,
    ])
  })

  function interfaceOf(name: string) {
    const type = schema.getType(name)
    if (type === undefined || !('getInterfaces' in type)) throw new Error(`There is no ${name}.`)
    return type as Parameters<typeof schema.getImplementations>[0]
  }
})

test('no mutation is taken by GET, whoever asks', async () => {
  const headers = { authorization: `Bearer ${world.token}` }
  const before = await world.fingerprint()
  const mutations = OPERATIONS.filter(({ kind }) => kind === 'mutation')
  for (const { document } of mutations) {
    const asked = { ...world.prepared, target: WIDE, mark: 'denied' as const, token: world.token }
    const parameters = new URLSearchParams({ query: document(asked) })
    const response = await fetch(`${world.server.url}?${parameters}`, { headers })
    expect(response.status).toBe(405)
  }
  await expectNothingHappened(before)
})
