import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import type { Connection } from '../../../src/transport/connection.ts'
import { Heartbeat } from '../../../src/transport/heartbeat.ts'

const BEAT_MS = 20

let heartbeat: Heartbeat | undefined

afterEach(() => heartbeat?.stop())

/** A socket, and what happened to it. */
function open({ bytes = 0, isBehind = false, answers = false } = {}) {
  const events: string[] = []
  const socket = {
    ping() {
      events.push('ping')
      if (answers) heartbeat?.hear(socket as never)
    },
    terminate: () => events.push('cut'),
  }
  const connection = { socket, outbox: { bytes }, reader: { isBehind } }
  heartbeat = new Heartbeat([connection as unknown as Connection], BEAT_MS)
  return { events, reader: connection.reader }
}

test('cuts a socket that does not answer', async () => {
  const { events } = open()
  await expect.poll(() => events).toContain('cut')
  expect(events[0]).toBe('ping')
})

test('leaves one alone that answers', async () => {
  const { events } = open({ answers: true })
  await expect.poll(() => events.length).toBeGreaterThan(3)
  expect(new Set(events)).toEqual(new Set(['ping']))
})

test('leaves one to the outbox that takes nothing', async () => {
  const { events } = open({ bytes: 1 })
  await sleep(5 * BEAT_MS)
  expect(events).toEqual([])
})

test('does not cut one whose answer may be among what nobody has read', async () => {
  const { events, reader } = open({ isBehind: true })
  await sleep(5 * BEAT_MS)
  expect(events).toEqual([])
  reader.isBehind = false
  await expect.poll(() => events).toContain('cut')
})
