import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { CapabilityGrant } from '../../src/access/capabilities.ts'
import { listenLocally } from './http-server.ts'

/** What tokens of tests are signed with. */
export const SECRET = 'a secret of tests, of 32 bytes or more'

export interface TokenClaims {
  readonly sub?: string
  readonly can?: readonly CapabilityGrant[]
  /** Seconds from now. */
  readonly expiresIn?: number
  readonly claims?: Record<string, unknown>
}

export const EVERYTHING: readonly CapabilityGrant[] = [{ topics: '*', actions: ['*'] }]

/** A token by HS256, of `ann` where it says nothing else. */
export function tokenOf(
  { sub = 'ann', can = EVERYTHING, expiresIn = 60, claims = {} }: TokenClaims = {},
  secret = SECRET,
): Promise<string> {
  return new SignJWT({ carillon: can, iat: nowSeconds(), ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime(nowSeconds() + expiresIn)
    .sign(new TextEncoder().encode(secret))
}

export function nowSeconds(): number {
  return Date.now() / 1_000
}

/** A server of public keys, whose keys change by rotation. */
export interface KeyServer extends AsyncDisposable {
  readonly url: string
  /** How often it was asked. */
  readonly requests: number
  /** It answers with errors, until it is told otherwise. */
  isBroken: boolean
  /** From now on it has this key only; answers how to sign with it. */
  rotate(
    alg: 'RS256' | 'ES256' | 'EdDSA',
  ): Promise<(claims: Record<string, unknown>) => Promise<string>>
  readonly keys: readonly JWK[]
}

export async function startKeyServer(): Promise<KeyServer> {
  const state = { keys: [] as JWK[], requests: 0, isBroken: false, count: 0 }
  const server = createServer((_request, response) => {
    state.requests++
    response.statusCode = state.isBroken ? 500 : 200
    response.end(JSON.stringify({ keys: state.keys }))
  })
  const { port, close } = await listenLocally(server)
  return {
    url: `http://127.0.0.1:${port}/jwks.json`,
    get requests() {
      return state.requests
    },
    get isBroken() {
      return state.isBroken
    },
    set isBroken(value) {
      state.isBroken = value
    },
    get keys() {
      return state.keys
    },
    rotate: async (alg) => {
      const { privateKey, publicKey } = await generateKeyPair(alg)
      const kid = `key-${++state.count}`
      state.keys = [{ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }]
      return (claims) =>
        new SignJWT(claims)
          .setProtectedHeader({ alg, kid })
          .setSubject('ann')
          .setExpirationTime('1m')
          .sign(privateKey)
    },
    [Symbol.asyncDispose]: close,
  }
}
