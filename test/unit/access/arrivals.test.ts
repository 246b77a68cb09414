import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Arrivals } from '../../../src/access/arrivals.ts'

/** A request as Node has it, from this address. */
function requestFrom(remoteAddress: string, headers: Record<string, string> = {}): IncomingMessage {
  const socket = Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress })
  return Object.assign(new IncomingMessage(socket), {
    headers: { host: 'own.example', ...headers },
  })
}

const FORWARDED = {
  'x-forwarded-for': '203.0.113.9, 198.51.100.7',
  'x-forwarded-host': 'evil.example, app.example',
  'x-forwarded-proto': 'https',
}

test('nobody is believed who is not trusted', () => {
  const direct = { address: '10.0.0.1', host: 'own.example', isSecure: false }
  for (const trust of [false, 0, 'loopback', ['192.168.0.0/16'], []] as const) {
    expect(new Arrivals(trust).of(requestFrom('10.0.0.1', FORWARDED))).toEqual(direct)
  }
})

test.each([
  [1, '198.51.100.7'],
  [2, '203.0.113.9'],
  ['10.0.0.0/8', '198.51.100.7'],
  ['10.0.0.1, 198.51.100.0/24', '203.0.113.9'],
  [['uniquelocal'], '198.51.100.7'],
] as const)('with %j trusted, the client is %s', (trust, address) => {
  const arrival = new Arrivals(trust).of(requestFrom('10.0.0.1', FORWARDED))
  expect(arrival).toEqual({ address, host: 'app.example', isSecure: true })
})

test('a trusted proxy that says nothing is taken for the client', () => {
  const plain = { address: '10.0.0.1', host: 'own.example', isSecure: false }
  expect(new Arrivals(1).of(requestFrom('10.0.0.1'))).toEqual(plain)
  const words = requestFrom('10.0.0.1', { 'x-forwarded-for': 'unknown' })
  expect(new Arrivals(1).of(words)).toEqual(plain)
})

test.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('clients of %s are counted as %s', (address, counted) => {
  expect(new Arrivals(false).of(requestFrom(address)).address).toBe(counted)
})

test('IPv4 written as IPv6 is trusted as IPv4', () => {
  const arrival = new Arrivals('10.0.0.0/8').of(requestFrom('::ffff:10.0.0.1', FORWARDED))
  expect(arrival.address).toBe('198.51.100.7')
})

test.each(['nginx', '10.0.0.0/33', -1, 1.5])('%j cannot be trusted', (trust) => {
  expect(() => new Arrivals(trust)).toThrow(TypeError)
})
