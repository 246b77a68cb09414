import { Access, type AccessParts } from './access.ts'
import { type AuthOptions, DEFAULT_AUTHORIZE_CACHE_MS, isOpenMode } from './auth-options.ts'
import { type Authenticator, hostAuthenticator, OPEN } from './authenticator.ts'
import { Authorizer } from './authorizer.ts'
import { JsonWebTokens } from './json-web-tokens.ts'
import { type KeyVerifier, TokenAuthenticator } from './token-authenticator.ts'

/**
 * What the options say of who callers are.
 * @throws TypeError where a secret is too short or a URL none
 */
export function openAuthenticator(options: AuthOptions, keys: KeyVerifier): Authenticator {
  if (isOpenMode(options)) return OPEN
  const { authenticate, jwt, capabilities, authorize } = options
  if (authenticate !== undefined) return hostAuthenticator(authenticate)
  const defaultCapabilities = capabilities ?? (authorize === undefined ? [] : undefined)
  const tokens = jwt === undefined ? undefined : new JsonWebTokens({ ...jwt, defaultCapabilities })
  return new TokenAuthenticator(tokens, keys)
}

/** What the options say of what callers may do. */
export function openAccess(options: AuthOptions, revocations: AccessParts['revocations']): Access {
  const { authorize, authorizeCacheMs = DEFAULT_AUTHORIZE_CACHE_MS } = options
  return new Access({
    revocations,
    authorizer: authorize === undefined ? undefined : new Authorizer(authorize, authorizeCacheMs),
    clientsPublish: options.clientPublish ?? true,
  })
}
