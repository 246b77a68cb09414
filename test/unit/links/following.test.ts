import { gql } from '@apollo/client'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Follower } from '../../../src/links/follower.ts'
import { Following } from '../../../src/links/following.ts'

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(1)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** A subscription that counts how often it was begun again. */
function newFollowing() {
  const follower = Follower.of(gql('subscription { messages(topics: "chat:1") { id } }'))
  expect.assert(follower !== undefined)
  const opened: number[] = []
  const following = new Following({
    follower,
    backoff: { baseMs: 100, maxMs: 400 },
    open: () => void opened.push(Date.now()),
    onGap: () => {},
  })
  return { following, opened }
}

const errorOf = (extensions: object) => [{ message: 'no', extensions }]

test('an error that passes is waited out, as long as the server says', () => {
  const { following, opened } = newFollowing()
  const extensions = { code: 'SERVICE_UNAVAILABLE', retryable: true, retryAfterMs: 700 }
  expect(following.outlives(errorOf(extensions))).toBe(true)
  vi.advanceTimersByTime(699)
  expect(opened.length).toBe(0)
  vi.advanceTimersByTime(1)
  expect(opened.length).toBe(1)
})

test('an error that does not pass ends it', () => {
  const { following, opened } = newFollowing()
  expect(following.outlives(errorOf({ code: 'PERMISSION_DENIED', retryable: false }))).toBe(false)
  expect(following.outlives([{ message: 'of somebody else' }])).toBe(false)
  vi.runAllTimers()
  expect(opened.length).toBe(0)
})

test('pauses grow up to their bound, and are short again after a result', () => {
  const { following, opened } = newFollowing()
  const pauses = () =>
    [1, 2, 3, 4].map(() => {
      const before = Date.now()
      following.outlivesLoss(new Error('lost'))
      vi.runAllTimers()
      return Date.now() - before
    })
  expect(pauses()).toEqual([100, 200, 400, 400])
  following.take({ messages: null })
  expect(pauses()).toEqual([100, 200, 400, 400])
  expect(opened.length).toBe(8)
})

test('what is closed does not begin again', () => {
  const { following, opened } = newFollowing()
  following.outlivesLoss(new Error('lost'))
  following.close()
  following.close()
  vi.runAllTimers()
  expect(opened.length).toBe(0)
})
