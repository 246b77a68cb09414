import { expect, test } from 'vitest'
import { startServer } from '../support/carillon.ts'
import { openTalk } from '../support/talk.ts'

const PUBLISH = `mutation ($n: JSON!) {
  publish(input: { topic: "a", payload: $n }) { message { sequence payload } } }`

/** Far more than are answered at the same time, and than `operationsPerSocket`. */
const COUNT = 1_000

test('publishes sent all at once over one socket are all stored, in this order', async () => {
  await using server = await startServer()
  await using talk = await openTalk(server.socketUrl)
  const operations = Array.from({ length: COUNT }, (_, n) => talk.start(PUBLISH, { n: n + 1 }))
  const answers = await Promise.all(operations.map((operation) => operation.next()))
  const messages = answers.map(({ data }) => (data as { publish: { message: object } }).publish)
  expect(messages).toEqual(
    Array.from({ length: COUNT }, (_, n) => ({ message: { sequence: n + 1, payload: n + 1 } })),
  )
})
