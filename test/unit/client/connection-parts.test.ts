import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { backoffMs } from '../../../src/client/backoff.ts'
import { lossOf } from '../../../src/client/close.ts'
import { CarillonError, serverError } from '../../../src/client/error.ts'
import { Heartbeat } from '../../../src/client/heartbeat.ts'
import { Throttle } from '../../../src/client/throttle.ts'
import { renewalInMs } from '../../../src/client/token.ts'
import { socketUrl } from '../../../src/client/url.ts'
import { onWake } from '../../../src/client/wake.ts'
import { tokenOf } from '../../support/tokens.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('pauses are random below a bound that doubles', () => {
  const random = vi.spyOn(Math, 'random').mockReturnValue(1)
  const bound = (failures: number) => backoffMs(failures, { baseMs: 100, maxMs: 1_000 })
  expect([0, 1, 2, 3, 4, 50].map(bound)).toEqual([100, 200, 400, 800, 1_000, 1_000])
  random.mockReturnValue(0)
  expect(backoffMs(3)).toBe(0)
})

describe('A close', () => {
  test.each([
    [1000, '', 'NETWORK_ERROR', false, true],
    [1006, '', 'NETWORK_ERROR', false, true],
    [1012, 'The server is shutting down.', 'SHUTTING_DOWN', false, true],
    [1013, 'SLOW_CONSUMER: The client reads too slowly.', 'SLOW_CONSUMER', false, true],
    [1009, '', 'PAYLOAD_TOO_LARGE', false, true],
    [4400, 'INVALID_INPUT: A client id is …', 'INVALID_INPUT', true, false],
    [4403, 'Forbidden', 'UNAUTHENTICATED', false, false],
    [4406, '', 'NETWORK_ERROR', true, false],
    [4408, '', 'NETWORK_ERROR', false, true],
    [4499, 'Terminated', 'NETWORK_ERROR', false, true],
    [4500, '', 'INTERNAL', true, false],
  ])('with %s %s', (code, reason, expected, isFatal, retryable) => {
    expect(lossOf({ code, reason })).toMatchObject({
      isFatal,
      error: { code: expected, retryable },
    })
  })

  test('that is an error is one of the network', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    expect(lossOf(cause)).toMatchObject({ isFatal: false, error: { code: 'NETWORK_ERROR', cause } })
  })
})

test('an error of the server keeps what it says, also with a code that is new', () => {
  const extensions = { code: 'BRAND_NEW', retryable: true, retryAfterMs: 70, limit: 'some' }
  const error = serverError([{ message: 'No.', extensions }])
  expect(error).toBeInstanceOf(CarillonError)
  expect(error).toMatchObject({ message: 'No.', ...extensions })
  expect(serverError([])).toMatchObject({ code: 'INTERNAL', retryable: false })
})

test('addresses of HTTP become those of WebSockets, and paths are of the page', () => {
  expect(socketUrl('https://a.example/graphql?x=1')).toBe('wss://a.example/graphql?x=1')
  expect(socketUrl('ws://a.example/graphql')).toBe('ws://a.example/graphql')
  expect(() => socketUrl('/graphql')).toThrow(TypeError)
  vi.stubGlobal('location', { href: 'http://b.example/page' })
  expect(socketUrl('/graphql')).toBe('ws://b.example/graphql')
})

describe('A token', () => {
  test('is renewed half a minute before it runs out, or after two thirds of its time', async () => {
    const renewal = async (expiresIn: number) =>
      Math.round((renewalInMs(await tokenOf({ expiresIn })) ?? 0) / 1_000)
    expect(await renewal(3_600)).toBe(3_570)
    expect(await renewal(30)).toBe(20)
  })

  test('that says nothing, or has run out by this clock, is not', async () => {
    expect(renewalInMs('an API key')).toBeUndefined()
    expect(renewalInMs('a.%.c')).toBeUndefined()
    expect(renewalInMs(await tokenOf({ expiresIn: -10 }))).toBeUndefined()
  })
})

describe('A heartbeat', () => {
  function start() {
    const ping = vi.fn()
    const onSilent = vi.fn()
    const heartbeat = new Heartbeat({ keepAlive: 100, keepAliveTimeout: 50, ping, onSilent })
    return { heartbeat, ping, onSilent }
  }

  test('asks only who is silent, and gives up who does not answer', () => {
    const { heartbeat, ping, onSilent } = start()
    for (let n = 0; n < 5; n++) {
      vi.advanceTimersByTime(90)
      heartbeat.hear()
    }
    expect(ping).not.toHaveBeenCalled()
    vi.advanceTimersByTime(190)
    expect(ping).toHaveBeenCalledTimes(1)
    expect(onSilent).not.toHaveBeenCalled()
    vi.advanceTimersByTime(50)
    expect(onSilent).toHaveBeenCalledTimes(1)
    heartbeat.stop()
  })

  test('asks at once when it is told to, and any message is an answer', () => {
    const { heartbeat, ping, onSilent } = start()
    heartbeat.probe()
    heartbeat.probe()
    expect(ping).toHaveBeenCalledTimes(1)
    heartbeat.hear()
    vi.advanceTimersByTime(99)
    expect(onSilent).not.toHaveBeenCalled()
    heartbeat.stop()
    vi.advanceTimersByTime(1_000)
    expect(onSilent).not.toHaveBeenCalled()
  })
})

describe('Waking', () => {
  test('is told by the network, by the page, and by a clock that has jumped', () => {
    const scope = new EventTarget()
    const document = Object.assign(new EventTarget(), { visibilityState: 'hidden' })
    vi.stubGlobal('addEventListener', scope.addEventListener.bind(scope))
    vi.stubGlobal('removeEventListener', scope.removeEventListener.bind(scope))
    vi.stubGlobal('document', document)
    const wake = vi.fn()
    const stop = onWake(wake)
    scope.dispatchEvent(new Event('online'))
    scope.dispatchEvent(new Event('pageshow'))
    expect(wake).toHaveBeenCalledTimes(2)
    document.dispatchEvent(new Event('visibilitychange'))
    expect(wake).toHaveBeenCalledTimes(2)
    document.visibilityState = 'visible'
    document.dispatchEvent(new Event('visibilitychange'))
    expect(wake).toHaveBeenCalledTimes(3)
    vi.advanceTimersByTime(10_000)
    expect(wake).toHaveBeenCalledTimes(3)
    vi.setSystemTime(Date.now() + 60_000)
    vi.advanceTimersByTime(2_000)
    expect(wake).toHaveBeenCalledTimes(4)
    stop()
    scope.dispatchEvent(new Event('online'))
    vi.setSystemTime(Date.now() + 60_000)
    vi.advanceTimersByTime(2_000)
    expect(wake).toHaveBeenCalledTimes(4)
  })

  test('needs nothing of a browser', () => {
    onWake(() => {})()
  })
})

describe('A limit', () => {
  test('lets the first of a second pass, and the newest of the others at the next one', () => {
    const passed: number[] = []
    const throttle = new Throttle<number>(2, (item) => void passed.push(item))
    for (let n = 1; n <= 7; n++) throttle.offer(n)
    expect(passed).toEqual([1, 2])
    vi.advanceTimersByTime(1_000)
    expect(passed).toEqual([1, 2, 6, 7])
    throttle.offer(8)
    expect(throttle.isHolding).toBe(true)
    throttle.flush()
    expect(passed).toEqual([1, 2, 6, 7, 8])
    throttle.offer(9)
    throttle.close()
    vi.advanceTimersByTime(5_000)
    expect(passed).not.toContain(9)
  })
})
