import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf, request, startServer, type TestServer } from '../support/carillon.ts'

const SAVE = `mutation ($input: SnapshotInput!) {
  saveSnapshot(input: $input) { topic sequence cursor state savedAt }
}`

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

async function topicWith(count: number, topic: string): Promise<string> {
  const payloads = Array.from({ length: count }, (_, n) => n + 1)
  await server.carillon.publishMany(payloads.map((payload) => ({ topic, payload })))
  return topic
}

async function codeOf(input: object): Promise<unknown> {
  const { errors } = await request(server.url, SAVE, { input })
  return errors?.[0]?.extensions.code
}

test('state is saved, read with its topic, and subscribed behind', async () => {
  const topic = await topicWith(5, 'snapshot:board')
  const state = { cards: ['a', 'b'], open: true }
  const input = { topic, sequence: 3, state }
  const saved = fieldOf<{ cursor: string }>(
    await request(server.url, SAVE, { input }),
    'saveSnapshot',
  )
  expect(saved).toMatchObject({ topic, sequence: 3, state })
  const query = `{ topic(name: "${topic}") { snapshot { topic sequence cursor state savedAt } } }`
  expect(fieldOf(await request(server.url, query), 'topic')).toEqual({ snapshot: saved })
  const subscription = await server.carillon.subscribe({ topics: [topic], after: [saved.cursor] })
  await server.carillon.publish({ topic, payload: 6 })
  const sequences: (number | null)[] = []
  for await (const { sequence } of subscription) {
    sequences.push(sequence)
    if (sequence === 6) break
  }
  expect(sequences).toEqual([4, 5, 6])
})

test('a topic without a snapshot has none', async () => {
  const query = '{ topic(name: "snapshot:none") { snapshot { sequence } } }'
  expect(fieldOf(await request(server.url, query), 'topic')).toEqual({ snapshot: null })
  expect(await server.carillon.snapshot('snapshot:none')).toBeUndefined()
})

test('the library saves and reads the same', async () => {
  const topic = await topicWith(2, 'snapshot:library')
  const saved = await server.carillon.saveSnapshot({ topic, sequence: 2, state: [1, { a: null }] })
  expect(saved.state).toEqual([1, { a: null }])
  expect(await server.carillon.snapshot(topic)).toEqual(saved)
})

test('what cannot be saved says why', async () => {
  const topic = await topicWith(3, 'snapshot:refused')
  await server.carillon.saveSnapshot({ topic, sequence: 2, state: 2 })
  expect(await codeOf({ topic, sequence: 1, state: 1 })).toBe('SEQUENCE_CONFLICT')
  expect(await codeOf({ topic, sequence: 4, state: 1 })).toBe('INVALID_INPUT')
  expect(await codeOf({ topic, sequence: 0, state: 1 })).toBe('INVALID_INPUT')
  expect(await codeOf({ topic, sequence: 3, state: null })).toBe('INVALID_INPUT')
  expect(await codeOf({ topic: 'a b', sequence: 3, state: 1 })).toBe('INVALID_TOPIC_NAME')
  const large = 'x'.repeat(1024 * 1024)
  expect(await codeOf({ topic, sequence: 3, state: large })).toBe('PAYLOAD_TOO_LARGE')
  let deep: unknown = 1
  for (let level = 0; level < 101; level++) deep = [deep]
  expect(await codeOf({ topic, sequence: 3, state: deep })).toBe('INVALID_INPUT')
  expect((await server.carillon.snapshot(topic))?.state).toBe(2)
})
