import { expect, test } from 'vitest'
import { ConnectionLimits } from '../../../src/transport/connection-limits.ts'

function limits(connections: number, connectionsPerAddress: number, unauthenticated = 1) {
  const told: string[] = []
  const counts = { connections, connectionsPerAddress, unauthenticatedConnections: unauthenticated }
  return { told, counted: new ConnectionLimits<string>(counts, (name) => told.push(name)) }
}

test('admits as many as there may be, and one more once one is gone', () => {
  const { told, counted } = limits(2, 10)
  expect([counted.admit('a'), counted.admit('b')]).toEqual([undefined, undefined])
  expect(counted.admit('c')).toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
    limit: 'connections',
    retryAfterMs: 5_000,
  })
  expect(told).toEqual(['connections'])
  counted.release('a')
  expect(counted.admit('c')).toBeUndefined()
  expect(counted.open).toBe(2)
})

test('admits as many of one address, and others besides', () => {
  const { told, counted } = limits(10, 1)
  expect(counted.admit('a')).toBeUndefined()
  expect(counted.admit('a')).toMatchObject({
    code: 'RATE_LIMIT_EXCEEDED',
    limit: 'connectionsPerAddress',
  })
  expect(counted.admit('b')).toBeUndefined()
  counted.release('a')
  expect(counted.admit('a')).toBeUndefined()
  expect(told).toEqual(['connectionsPerAddress'])
})

test('lets the oldest make room that has not said who it is', () => {
  const { told, counted } = limits(10, 10, 2)
  expect(['1', '2'].map((socket) => counted.await(socket))).toEqual([undefined, undefined])
  counted.settle('1')
  expect(['3', '4', '5'].map((socket) => counted.await(socket))).toEqual([undefined, '2', '3'])
  expect(told).toEqual(['unauthenticatedConnections', 'unauthenticatedConnections'])
})

test('with room for none, each is closed at once', () => {
  expect(limits(10, 10, 0).counted.await('1')).toBe('1')
})
