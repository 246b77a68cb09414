import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { openClient, SOON } from '../../support/client.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'

interface Status {
  readonly status: string
}

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer({ presence: { graceMs: 1_000 } })
})
afterAll(() => server[Symbol.asyncDispose]())

function clientOf(userId: string, url = server.url) {
  return openClient(url, { connectionParams: { userId } })
}

describe('A client that is present', () => {
  test('sees who comes, says something else, and goes', async () => {
    const topic = `room:${++topics}`
    await using ann = clientOf('ann')
    await using bob = clientOf('bob')
    const entry = ann.topic(topic).enter<Status>({ status: 'here' })
    const watch = bob.topic(topic).watch<Status>()
    const told: string[] = []
    watch.onChange((_members, { type }) => told.push(type))
    const states = () => watch.members.map(({ userId, state }) => [userId, state?.status])
    await expect.poll(states, SOON).toEqual([['ann', 'here']])
    await entry.update({ status: 'typing' })
    expect(entry.state).toEqual({ status: 'typing' })
    await expect.poll(states, SOON).toEqual([['ann', 'typing']])
    const other = bob.topic(topic).enter<Status>()
    await expect.poll(() => entry.members.map(({ userId }) => userId), SOON).toEqual(['ann', 'bob'])
    entry.leave()
    entry.leave()
    await expect.poll(states, SOON).toEqual([['bob', undefined]])
    other.leave()
    await expect.poll(states, SOON).toEqual([])
    expect(told[0]).toBe('SYNC')
    await expect(entry.update({ status: 'gone' })).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
  })

  test('stays through a lost connection, with what it said last', async () => {
    const topic = `room:${++topics}`
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    await using ann = clientOf('ann', `http://127.0.0.1:${proxy.port}/graphql`)
    await using bob = clientOf('bob')
    const entry = ann.topic(topic).enter<Status>({ status: 'here' })
    const watch = bob.topic(topic).watch<Status>()
    const told: string[] = []
    watch.onChange((_members, { type }) => told.push(type))
    await expect.poll(() => watch.members.length, SOON).toBe(1)
    await entry.update({ status: 'busy' })
    proxy.leadTo(1)
    proxy.cut()
    await expect.poll(() => ann.state, SOON).toBe('offline')
    const saying = entry.update({ status: 'back' })
    proxy.leadTo(Number(new URL(server.url).port))
    await saying
    await expect.poll(() => watch.members[0]?.state, SOON).toEqual({ status: 'back' })
    expect(told).not.toContain('LEAVE')
    expect(entry.members).toHaveLength(1)
  })

  test('leaves at once when its client is closed', async () => {
    const topic = `room:${++topics}`
    await using bob = clientOf('bob')
    const watch = bob.topic(topic).watch()
    const ann = clientOf('ann')
    ann.topic(topic).enter()
    await expect.poll(() => watch.members.length, SOON).toBe(1)
    const closedAt = performance.now()
    await ann.close()
    await expect.poll(() => watch.members.length, SOON).toBe(0)
    expect(performance.now() - closedAt).toBeLessThan(900)
  })
})

test('what the server refuses is reported, and nobody is there', async () => {
  const faults: unknown[] = []
  await using carillon = openClient(server.url, { onError: (error) => void faults.push(error) })
  const entry = carillon.topic('room:full').enter('x'.repeat(5_000))
  await expect.poll(() => faults, SOON).toMatchObject([{ code: 'PAYLOAD_TOO_LARGE' }])
  expect(entry.members).toEqual([])
})

test('what the server refuses is told to whom it concerns, where that one asks for it', async () => {
  const reported: unknown[] = []
  const told: unknown[] = []
  await using carillon = openClient(server.url, {
    onError: (error) => void reported.push(error),
  })
  const onError = (error: unknown) => void told.push(error)
  carillon.topic('room:full').enter('x'.repeat(5_000), { onError })
  await expect.poll(() => told, SOON).toMatchObject([{ code: 'PAYLOAD_TOO_LARGE' }])
  expect(reported).toEqual([])
})
