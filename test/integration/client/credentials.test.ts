import { afterEach, expect, test, vi } from 'vitest'
import { startServer } from '../../support/carillon.ts'
import { openClient, SOON, upTo, watchStates } from '../../support/client.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'

const SLOW = { timeout: 90_000 }

const PATIENT = { timeout: 40_000, interval: 50 }

afterEach(() => vi.unstubAllGlobals())

/** Hands out tokens that hold for so many seconds. */
function issuer(expiresIn: number) {
  return vi.fn(() => tokenOf({ expiresIn }))
}

test(
  'a token that says when it runs out is renewed before, over the open connection',
  SLOW,
  async () => {
    await using server = await startServer({ jwt: { secret: SECRET }, renewalMs: 30_000 })
    const token = issuer(6)
    await using carillon = openClient(server.url, { token })
    const states = watchStates(carillon)
    const seen: unknown[] = []
    carillon.topic('chat:1').subscribe(({ sequence }) => void seen.push(sequence))
    await expect.poll(() => carillon.state, SOON).toBe('live')
    let published = 0
    await expect
      .poll(async () => {
        await server.carillon.publish({ topic: 'chat:1', payload: ++published })
        return token.mock.calls.length
      }, SOON)
      .toBeGreaterThan(3)
    await expect.poll(() => seen, SOON).toEqual(upTo(published))
    expect(states).toEqual(['connecting', 'live'])
  },
)

test(
  'a connection that is closed because its token ran out comes back with a fresh one',
  SLOW,
  async () => {
    await using server = await startServer({ jwt: { secret: SECRET }, renewalMs: 50 })
    let isLoginAway = false
    const token = async () => {
      if (isLoginAway) throw new Error('The login is away.')
      isLoginAway = true // until the connection is lost
      return tokenOf({ expiresIn: 4 })
    }
    await using carillon = openClient(server.url, { token })
    const states = watchStates(carillon)
    carillon.onState(({ state }) => {
      if (state === 'offline') isLoginAway = false
    })
    const seen: unknown[] = []
    carillon.topic('chat:1').subscribe(({ sequence }) => void seen.push(sequence))
    await expect.poll(() => states, PATIENT).toContain('offline: UNAUTHENTICATED')
    await expect.poll(() => carillon.state, SOON).toBe('live')
    await server.carillon.publish({ topic: 'chat:1', payload: 'after' })
    await expect.poll(() => seen, SOON).toEqual([1])
  },
)

test('tokens that are refused again and again close the client, with the reason', async () => {
  await using server = await startServer({ jwt: { secret: SECRET } })
  const token = vi.fn(() => tokenOf({}, 'another secret, of 32 bytes or more'))
  const carillon = openClient(server.url, { token })
  const faults: unknown[] = []
  const subscription = carillon
    .topic('chat:1')
    .subscribe(() => {}, { onError: (error) => void faults.push(error) })
  const publishing = carillon.topic('chat:1').publish('never')
  await expect(publishing).rejects.toMatchObject({ code: 'UNAUTHENTICATED', retryable: false })
  await subscription.ended
  expect(faults).toMatchObject([{ code: 'UNAUTHENTICATED' }])
  expect(carillon.state).toBe('closed')
  expect(carillon.reason).toMatchObject({ code: 'UNAUTHENTICATED' })
  expect(token).toHaveBeenCalledTimes(3)

  const late: unknown[] = []
  await carillon.topic('chat:1').subscribe(() => {}, { onError: (error) => void late.push(error) })
    .ended
  expect(late).toMatchObject([{ code: 'UNAUTHENTICATED' }])
})

test('a function for tokens that never answers is asked again', async () => {
  await using server = await startServer({ jwt: { secret: SECRET } })
  const token = vi.fn(() => tokenOf())
  token.mockImplementationOnce(() => new Promise(() => {}))
  await using carillon = openClient(server.url, { token, connectTimeout: 300 })
  expect(await carillon.topic('chat:1').publish('hi')).toMatchObject({ from: 'ann' })
  expect(token).toHaveBeenCalledTimes(2)
})

test('a function for tokens that throws is asked again', async () => {
  await using server = await startServer({ jwt: { secret: SECRET } })
  let asked = 0
  const token = async () => {
    if (++asked === 1) throw new Error('The login is away.')
    return tokenOf()
  }
  await using carillon = openClient(server.url, { token })
  const states = watchStates(carillon)
  expect(await carillon.topic('chat:1').publish('hi')).toMatchObject({ from: 'ann' })
  expect(states.slice(0, 2)).toEqual(['connecting', 'offline: NETWORK_ERROR'])
})

test('what is not permitted ends the subscription, and no other', async () => {
  await using server = await startServer({ jwt: { secret: SECRET } })
  const can = [{ topics: 'chat:*', actions: ['SUBSCRIBE', 'PUBLISH'] as const }]
  await using carillon = openClient(server.url, { token: await tokenOf({ can: can as never }) })
  const faults: unknown[] = []
  const seen: unknown[] = []
  carillon.topic('chat:1').subscribe(({ sequence }) => void seen.push(sequence))
  await carillon
    .topic('secret')
    .subscribe(() => {}, { onError: (error) => void faults.push(error) }).ended
  expect(faults).toMatchObject([{ code: 'PERMISSION_DENIED' }])
  await expect.poll(() => carillon.state, SOON).toBe('live')
  await carillon.topic('chat:1').publish('hi')
  await expect.poll(() => seen, SOON).toEqual([1])
  await expect(carillon.topic('secret').publish('no')).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    retryable: false,
  })
})

test('when the network is back, it does not wait for the end of its pause', async () => {
  await using server = await startServer()
  const scope = new EventTarget()
  vi.stubGlobal('addEventListener', scope.addEventListener.bind(scope))
  vi.stubGlobal('removeEventListener', scope.removeEventListener.bind(scope))
  await using proxy = await openTcpProxy(1)
  await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`, {
    backoff: { baseMs: 2 ** 30, maxMs: 2 ** 30 },
  })
  carillon.connect()
  await expect.poll(() => carillon.state, SOON).toBe('offline')
  proxy.leadTo(Number(new URL(server.url).port))
  scope.dispatchEvent(new Event('online'))
  await expect.poll(() => carillon.state, SOON).toBe('live')
})
