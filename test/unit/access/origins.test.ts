import { describe, expect, test } from 'vitest'
import { isLoopbackHost } from '../../../src/access/hosts.ts'
import { Origins } from '../../../src/access/origins.ts'

const OWN = { host: 'carillon.example', isSecure: false }

describe('By name', () => {
  const origins = new Origins(
    ['https://app.example.com', 'https://*.example.org:8443', 'capacitor://localhost'],
    true,
  )

  test.each([
    'https://app.example.com',
    'https://APP.example.com:443',
    'https://a.example.org:8443',
    'capacitor://localhost',
    'http://carillon.example',
    'https://carillon.example',
  ])('%s is allowed', (origin) => {
    expect(origins.allows(origin, OWN)).toBe(true)
  })

  test.each([
    'http://app.example.com',
    'https://app.example.com:444',
    'https://app.example.com.evil.example',
    'https://example.org:8443',
    'https://a.b.example.org:8443',
    'https://a.example.org',
    'https://evilexample.org:8443',
    'http://carillon.example:81',
    'http://localhost:5173',
    'null',
    'nonsense',
  ])('%s is not', (origin) => {
    expect(origins.allows(origin, OWN)).toBe(false)
  })

  test('hosts that are named count with every port, and only these', () => {
    expect(['app.example.com', 'a.example.org'].every((host) => origins.namesHost(host))).toBe(true)
    expect(['example.org', 'carillon.example'].some((host) => origins.namesHost(host))).toBe(false)
  })
})

test('over TLS a page without it is not of the own origin', () => {
  const secure = { host: 'carillon.example', isSecure: true }
  const origins = new Origins(undefined, false)
  expect(origins.allows('http://carillon.example', secure)).toBe(false)
  expect(origins.allows('https://carillon.example', secure)).toBe(true)
  expect(
    origins.allows('https://carillon.example', { ...secure, host: 'carillon.example:443' }),
  ).toBe(true)
})

test('pages of this machine are allowed in development, where nothing else is said', () => {
  const allows = (origins: Origins) => origins.allows('http://localhost:5173', OWN)
  expect(allows(new Origins(undefined, true))).toBe(true)
  expect(allows(new Origins(undefined, false))).toBe(false)
  expect(allows(new Origins([], true))).toBe(false)
})

test('* allows all, also pages without an origin of their own', () => {
  const origins = new Origins(['*'], false)
  expect(['https://example.com', 'null'].every((origin) => origins.allows(origin, OWN))).toBe(true)
})

test.each(['', 'example.com', 'https://', 'https://a.example/path', 'https://*', 'https://a.*.b'])(
  '%j is no origin',
  (origin) => {
    expect(() => new Origins([origin], true)).toThrow(TypeError)
  },
)

test.each([
  ['localhost', true],
  ['app.localhost', true],
  ['127.0.0.1', true],
  ['127.255.0.9', true],
  ['[::1]', true],
  ['127.0.0.1.example.com', false],
  ['notlocalhost', false],
  ['10.0.0.1', false],
  ['[::2]', false],
])('that %s is this machine is %s', (hostname, expected) => {
  expect(isLoopbackHost(hostname)).toBe(expected)
})
