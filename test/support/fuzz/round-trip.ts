import { DEFAULT_LIMITS } from 'carillon'
import fc from 'fast-check'
import { expect } from 'vitest'
import { rejection } from '../rejection.ts'
import { type Answer, Caller } from './caller.ts'
import type { FuzzedServer } from './fuzzed-server.ts'
import { MESSAGE_FIELDS, OBSERVER, type Observer, TRIP } from './observer.ts'
import { hostileJson, hostileText } from './values.ts'

/** Everything that a client may name or say. */
export interface Texts {
  readonly userId: string
  readonly clientId: string
  readonly type: string
  readonly idempotencyKey: string
  readonly consumer: string
  readonly to: readonly string[]
  readonly payload: unknown
  readonly metadata: unknown
  readonly state: unknown
}

export const hostileTexts: fc.Arbitrary<Texts> = fc.record({
  userId: mostlyNames(),
  clientId: mostlyNames(),
  type: mostlyNames(),
  idempotencyKey: mostlyNames(),
  consumer: mostlyNames(),
  to: fc.array(mostlyNames(), { maxLength: 3 }),
  payload: hostileJson,
  metadata: hostileJson,
  state: hostileJson,
})

/** One name that is none hides what the others would show. */
function mostlyNames(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 20, arbitrary: hostileText.filter(isName) },
    { weight: 1, arbitrary: hostileText },
  )
}

/** As the documentation says it: 1 to 128 characters, no control characters, whole characters only. */
function isName(text: string): boolean {
  const isPrintable = [...text].every((one) => one >= ' ' && one !== '\x7f')
  return text.length >= 1 && text.length <= 128 && isPrintable && text.isWellFormed()
}

const PUBLISH = `mutation ($input: PublishInput!) {
  publish(input: $input) { message { ${MESSAGE_FIELDS} } } }`

let topics = 0

/** @throws Error where something is refused that is right, or comes back as something else */
export async function checkRoundTrip(
  { server, observer }: { readonly server: FuzzedServer; readonly observer: Observer },
  texts: Texts,
): Promise<void> {
  const { userId, clientId } = texts
  const opening = Caller.open(server.here, { userId, clientId })
  if (!isName(userId) || !isName(clientId)) {
    expect(String(await rejection(opening))).toContain('closed with 4400 INVALID_INPUT')
    return
  }
  await using caller = await opening
  const topic = `${TRIP}:${process.pid}:${++topics}`
  const viewer = await caller.ask('{ viewer { userId clientId } }')
  expect(viewer).toEqual({ data: { viewer: { userId, clientId } } })
  await checkMessage({ caller, observer, topic }, texts)
  await checkPresence({ caller, observer, topic }, texts)
  await server.expectWell()
}

interface Scene {
  readonly caller: Caller
  readonly observer: Observer
  readonly topic: string
}

async function checkMessage({ caller, observer, topic }: Scene, texts: Texts): Promise<void> {
  const { userId, clientId, type, idempotencyKey, payload, metadata } = texts
  const to = [...new Set([...texts.to, OBSERVER])]
  const input = { topic, type, idempotencyKey, payload, metadata, to }
  const answer = await caller.ask(PUBLISH, { input })
  if (answer.errors !== undefined) {
    expect(isRight({ ...texts, to }), JSON.stringify(answer.errors)).toBe(false)
    return
  }
  const { message } = fieldOf<{ message: object & { id: string } }>(answer, 'publish')
  const sent = { type, idempotencyKey, payload, metadata, to, from: userId, clientId }
  expectSame(message, { id: message.id, topic, sequence: 1, ...sent })
  expectSame(await observer.arrival(message.id), message)
  const filters = { topic, from: [userId], types: [type] }
  const history = await observer.caller.ask(HISTORY, filters)
  expectSame(fieldOf<{ nodes: unknown[] }>(history, 'messages').nodes, [message])
  const { node } = (await observer.caller.ask(NODE, { id: message.id })).data ?? {}
  expectSame(node, message)
  await checkConsumer({ caller, observer, topic }, texts)
  await checkSnapshot({ caller, observer, topic }, texts)
}

const HISTORY = `query ($topic: TopicName!, $from: [ID!], $types: [String!]) {
  messages(topic: $topic, from: $from, types: $types) { nodes { ${MESSAGE_FIELDS} } } }`

const NODE = `query ($id: ID!) { node(id: $id) { ... on Message { ${MESSAGE_FIELDS} } ... on Consumer { name } } }`

async function checkConsumer({ caller, topic }: Scene, { consumer }: Texts): Promise<void> {
  const ack = 'mutation ($input: AckInput!) { ack(input: $input) { consumer { id name } } }'
  const answer = await caller.ask(ack, { input: { topic, consumer, sequence: 1 } })
  if (answer.errors !== undefined) {
    expect(isName(consumer), JSON.stringify(answer.errors)).toBe(false)
    return
  }
  const { id, name } = fieldOf<{ consumer: { id: string; name: string } }>(answer, 'ack').consumer
  expect(name).toBe(consumer)
  expect((await caller.ask(NODE, { id })).data).toEqual({ node: { name: consumer } })
  const read =
    'query ($topic: TopicName!, $name: ID!) { consumer(topic: $topic, name: $name) { name } }'
  expect((await caller.ask(read, { topic, name: consumer })).data).toEqual({
    consumer: { name: consumer },
  })
}

async function checkSnapshot({ caller, observer, topic }: Scene, { state }: Texts): Promise<void> {
  const save = 'mutation ($input: SnapshotInput!) { saveSnapshot(input: $input) { state } }'
  const answer = await caller.ask(save, { input: { topic, sequence: 1, state } })
  if (answer.errors !== undefined) {
    expect(state, JSON.stringify(answer.errors)).toBe(null)
    return
  }
  const read = 'query ($topic: TopicName!) { topic(name: $topic) { snapshot { state } } }'
  expectSame((await observer.caller.ask(read, { topic })).data, { topic: { snapshot: { state } } })
}

async function checkPresence({ caller, observer, topic }: Scene, texts: Texts): Promise<void> {
  const { userId, clientId, state } = texts
  const enter = `subscription ($topic: [TopicPattern!]!, $state: JSON) {
    presence(topics: $topic, enter: { state: $state }) { members { userId clientIds state } } }`
  const entered = new Promise<Answer>((resolve) => caller.listen(enter, { topic, state }, resolve))
  const members = [{ userId, clientIds: [clientId], state }]
  const answer = await caller.patiently(entered)
  if (answer.errors !== undefined) {
    expect(bytesOf(state), JSON.stringify(answer.errors)).toBeGreaterThan(presenceStateBytes)
    return
  }
  expectSame(answer.data, { presence: { members } })
  const read = 'query ($topic: TopicName!) { presence(topic: $topic) { userId clientIds state } }'
  expectSame((await observer.caller.ask(read, { topic })).data, { presence: members })
}

/** Whether a publish has to be accepted. */
function isRight({ type, idempotencyKey, to, payload, metadata }: Texts): boolean {
  return (
    [type, idempotencyKey, ...to].every(isName) &&
    payload !== null &&
    bytesOf(payload) <= payloadBytes &&
    bytesOf(metadata) <= metadataBytes
  )
}

const { payloadBytes, metadataBytes, presenceStateBytes } = DEFAULT_LIMITS

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

function fieldOf<T>({ data, errors }: Answer, field: string): T {
  const value = data?.[field]
  if (value == null) throw new Error(`There is no ${field}: ${JSON.stringify(errors)}`)
  return value as T
}

/** By their texts: to tell `__proto__` as a key from a prototype, and to say what JSON cannot hold alike. */
function expectSame(actual: unknown, expected: unknown): void {
  expect(canonical(actual)).toBe(canonical(expected))
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
