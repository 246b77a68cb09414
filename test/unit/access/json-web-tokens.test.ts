import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterEach, expect, test } from 'vitest'
import type { CapabilityGrant } from '../../../src/access/capabilities.ts'
import { JsonWebTokens, type JsonWebTokensParts } from '../../../src/access/json-web-tokens.ts'
import { CarillonError } from '../../../src/protocol/errors.ts'
import {
  type KeyServer,
  nowSeconds,
  SECRET,
  startKeyServer,
  tokenOf,
} from '../../support/tokens.ts'

const GRANTS: readonly CapabilityGrant[] = [{ topics: 'dm:{user}:*', actions: ['SUBSCRIBE'] }]

const opened: AsyncDisposable[] = []

afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]()
})

async function keyServer(): Promise<KeyServer> {
  const server = await startKeyServer()
  opened.push(server)
  return server
}

function tokens(parts: Partial<JsonWebTokensParts> = {}): JsonWebTokens {
  return new JsonWebTokens({ secret: SECRET, defaultCapabilities: [], ...parts })
}

async function refusalOf(verified: Promise<unknown>): Promise<string> {
  try {
    await verified
    return 'nothing'
  } catch (error) {
    return error instanceof CarillonError ? `${error.code}: ${error.message}` : String(error)
  }
}

function unsigned(claims: Record<string, unknown>): string {
  return new UnsecuredJWT(claims).setSubject('ann').encode()
}

test('a token says who its bearer is, what that one may do, and until when', async () => {
  const token = await tokenOf({ can: GRANTS, claims: { jti: 'token-1', tenant: 'acme' } })
  const viewer = await tokens().verify(token, 'phone')
  expect(viewer).toMatchObject({
    kind: 'user',
    userId: 'ann',
    clientId: 'phone',
    tokenId: 'token-1',
    claims: { tenant: 'acme' },
  })
  expect(viewer.capabilities.list).toEqual([{ topics: 'dm:ann:*', actions: ['SUBSCRIBE'] }])
  expect(viewer.expiresAt?.getTime()).toBeGreaterThan(Date.now() + 55_000)
  expect(Math.abs(viewer.issuedAt.getTime() - Date.now())).toBeLessThan(5_000)
})

test('the claim may be an object, and bind the client', async () => {
  const carillon = { capabilities: GRANTS, clientId: 'kiosk' }
  const viewer = await tokens().verify(await tokenOf({ claims: { carillon } }), 'phone')
  expect(viewer.clientId).toBe('kiosk')
  expect(viewer.capabilities.list).toHaveLength(1)
})

test('a token without the claim may do what the server says, else nothing', async () => {
  const token = await tokenOf({ claims: { carillon: undefined } })
  expect((await tokens().verify(token, null)).capabilities.list).toEqual([])
  const generous = tokens({ defaultCapabilities: GRANTS })
  expect((await generous.verify(token, null)).capabilities.list).toHaveLength(1)
})

const REFUSED: readonly (readonly [string, () => Promise<string>])[] = [
  ['another secret', () => tokenOf({}, 'another secret of tests, of 32 bytes')],
  ['no signature', async () => unsigned({ carillon: [] })],
  ['an empty signature', async () => `${(await tokenOf()).split('.').slice(0, 2).join('.')}.`],
  ['no token at all', async () => 'garbage'],
  ['an empty text', async () => ''],
  ['very much', async () => 'a.'.repeat(100_000)],
  ['no subject', () => signed('HS256', key(), {})],
  ['a subject that is no name', () => tokenOf({ sub: 'a\u0000b' })],
  ['an empty subject', () => tokenOf({ sub: '' })],
  ['a claim that is a text', () => tokenOf({ claims: { carillon: 'all' } })],
  [
    'a claim with an unknown action',
    () => tokenOf({ claims: { carillon: [{ topics: 'a', actions: ['FLY'] }] } }),
  ],
  ['HS512', () => signed('HS512', key(64), { sub: 'ann' })],
]

test.each(REFUSED)('refuses a token with %s', async (_what, make) => {
  expect(await refusalOf(tokens().verify(await make(), null))).toMatch(/^UNAUTHENTICATED: /)
})

function signed(alg: string, by: Uint8Array<ArrayBuffer>, claims: Record<string, unknown>) {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(by)
}

function key(bytes = 32): Uint8Array<ArrayBuffer> {
  return bytes === 32 ? new TextEncoder().encode(SECRET) : new Uint8Array(bytes)
}

test('clocks may differ by 5 seconds', async () => {
  const [justOver, over, early, tooEarly] = await Promise.all([
    tokenOf({ expiresIn: -3 }),
    tokenOf({ expiresIn: -7 }),
    tokenOf({ claims: { nbf: nowSeconds() + 3 } }),
    tokenOf({ claims: { nbf: nowSeconds() + 8 } }),
  ])
  const { expiresAt } = await tokens().verify(justOver, null)
  expect(expiresAt?.getTime()).toBeGreaterThan(Date.now())
  expect(expiresAt?.getTime()).toBeLessThan(Date.now() + 5_000)
  expect(await refusalOf(tokens().verify(over, null))).toBe(
    'UNAUTHENTICATED: The token has run out.',
  )
  await tokens().verify(early, null)
  expect(await refusalOf(tokens().verify(tooEarly, null))).toBe(
    'UNAUTHENTICATED: The token has another `nbf`.',
  )
})

test('issuer and audience have to be the expected ones', async () => {
  const strict = tokens({ issuer: 'https://a', audience: ['api', 'web'] })
  await strict.verify(await tokenOf({ claims: { iss: 'https://a', aud: ['x', 'web'] } }), null)
  for (const claims of [
    {},
    { iss: 'https://b', aud: 'web' },
    { iss: 'https://a', aud: 'x' },
    { iss: 'https://a' },
  ]) {
    expect(await refusalOf(strict.verify(await tokenOf({ claims }), null))).toMatch(
      /^UNAUTHENTICATED: The token has another `(iss|aud)`/,
    )
  }
})

test('a secret that is too short is a mistake of the operator', () => {
  expect(() => tokens({ secret: 'short' })).toThrow('32 bytes')
})

test.each(['RS256', 'ES256', 'EdDSA'] as const)('takes tokens by %s', async (alg) => {
  const server = await keyServer()
  const sign = await server.rotate(alg)
  const verifier = tokens({ secret: undefined, jwksUrl: server.url })
  expect((await verifier.verify(await sign({ carillon: [] }), null)).userId).toBe('ann')
  const other = await generateKeyPair(alg)
  const forged = await new SignJWT({ sub: 'ann' })
    .setProtectedHeader({ alg, kid: String(server.keys[0]?.kid) })
    .sign(other.privateKey)
  expect(await refusalOf(verifier.verify(forged, null))).toMatch(/^UNAUTHENTICATED/)
})

test('a public key is no secret: a token that is signed with its text is refused', async () => {
  const server = await keyServer()
  await server.rotate('RS256')
  const text = JSON.stringify(server.keys[0])
  const confused = await new SignJWT({ sub: 'ann' })
    .setProtectedHeader({ alg: 'HS256', kid: String(server.keys[0]?.kid) })
    .sign(new TextEncoder().encode(text))
  for (const verifier of [
    tokens({ secret: undefined, jwksUrl: server.url }),
    tokens({ jwksUrl: server.url }),
  ]) {
    expect(await refusalOf(verifier.verify(confused, null))).toMatch(/^UNAUTHENTICATED/)
    expect(await refusalOf(verifier.verify(unsigned({}), null))).toMatch(/^UNAUTHENTICATED/)
  }
})

test('a secret and keys go side by side', async () => {
  const server = await keyServer()
  const sign = await server.rotate('ES256')
  const verifier = tokens({ jwksUrl: server.url })
  expect((await verifier.verify(await tokenOf(), null)).userId).toBe('ann')
  expect((await verifier.verify(await sign({}), null)).userId).toBe('ann')
})

test('keys are fetched once, and a flood of tokens with unknown keys asks for no more', async () => {
  const server = await keyServer()
  const sign = await server.rotate('ES256')
  const verifier = tokens({ secret: undefined, jwksUrl: server.url })
  await Promise.all(
    [sign({}), sign({}), sign({})].map(async (token) => verifier.verify(await token, null)),
  )
  const before = server.requests
  const unknown = await (await server.rotate('ES256'))({})
  for (let n = 0; n < 20; n++) {
    expect(await refusalOf(verifier.verify(unknown, null))).toMatch(/^UNAUTHENTICATED/)
  }
  expect([before, server.requests]).toEqual([1, 1])
})

test('keys that cannot be had say nothing about the token', async () => {
  const server = await keyServer()
  const sign = await server.rotate('ES256')
  server.isBroken = true
  const verifier = tokens({ secret: undefined, jwksUrl: server.url })
  const token = await sign({})
  expect(await refusalOf(verifier.verify(token, null))).toMatch(/^SERVICE_UNAVAILABLE/)
  server.isBroken = false
  expect((await verifier.verify(token, null)).userId).toBe('ann')
})

test('instants beyond those of a date are taken for the last one', async () => {
  const token = await tokenOf({ expiresIn: 1e18, claims: { iat: -1e18 } })
  const viewer = await tokens().verify(token, null)
  expect(viewer.expiresAt?.getTime()).toBe(8.64e15)
  expect(viewer.issuedAt.getTime()).toBe(0)
})
