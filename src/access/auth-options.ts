import type { Authenticate } from './authenticator.ts'
import type { Authorize } from './authorizer.ts'
import type { CapabilityGrant } from './capabilities.ts'
import type { JwtOptions } from './json-web-tokens.ts'

/** Who may do what. */
export interface AuthOptions {
  /**
   * `required`: callers over GraphQL need credentials. `open`: everyone may do everything, and is who they say.
   * Default: `required` where `jwt` or `authenticate` is given, else `open`.
   */
  readonly auth?: 'open' | 'required'
  /** How tokens are verified. */
  readonly jwt?: JwtOptions
  /** Says who callers are, instead of tokens and API keys. */
  readonly authenticate?: Authenticate
  /** What a token may do that does not say it. Default: nothing; with `authorize`, what that allows. */
  readonly capabilities?: readonly CapabilityGrant[]
  /** Asked besides capabilities, which it narrows. Default: they are enough. */
  readonly authorize?: Authorize
  /** How long an answer of `authorize` holds, also for what is open already, in milliseconds. Default 5,000. */
  readonly authorizeCacheMs?: number
  /** False: only backends publish, with an API key or by the library. Default true. */
  readonly clientPublish?: boolean
  /** How long a connection whose credentials have run out stays open for fresh ones, in milliseconds. Default 30,000. */
  readonly renewalMs?: number
}

export const DEFAULT_AUTHORIZE_CACHE_MS = 5_000
export const DEFAULT_RENEWAL_MS = 30_000

export function isOpenMode({ auth, jwt, authenticate }: AuthOptions): boolean {
  const byDefault = jwt === undefined && authenticate === undefined ? 'open' : 'required'
  return (auth ?? byDefault) === 'open'
}
