import { CarillonError } from '../protocol/errors.ts'
import { isApiKey } from './api-key.ts'
import type { ApiKeys } from './api-keys.ts'
import type { Authenticator } from './authenticator.ts'
import { type Credentials, clientIdOf, userIdOf } from './credentials.ts'
import type { JsonWebTokens } from './json-web-tokens.ts'
import { KEY_USER_PREFIX, parseClientId, parseUserId, type Viewer } from './viewer.ts'

/** Says which API key a text is. */
export type KeyVerifier = Pick<ApiKeys, 'verify'>

/** Takes API keys, and JSON Web Tokens where it is told how to verify them. */
export class TokenAuthenticator implements Authenticator {
  readonly #tokens: JsonWebTokens | undefined
  readonly #keys: KeyVerifier

  constructor(tokens: JsonWebTokens | undefined, keys: KeyVerifier) {
    this.#tokens = tokens
    this.#keys = keys
  }

  async authenticate(credentials: Credentials): Promise<Viewer> {
    const { token } = credentials
    if (token === undefined) throw new CarillonError('UNAUTHENTICATED')
    if (isApiKey(token)) return this.#byKey(token, credentials)
    if (this.#tokens === undefined) {
      throw new CarillonError('UNAUTHENTICATED', 'This server takes API keys only.')
    }
    return this.#tokens.verify(token, clientIdOf(credentials))
  }

  /** A backend may speak for a user, whom it has authenticated itself; then it sees what the user does. */
  async #byKey(token: string, credentials: Credentials): Promise<Viewer> {
    const key = await this.#keys.verify(token)
    if (key === undefined) throw new CarillonError('UNAUTHENTICATED', 'The API key is not valid.')
    const userId = userIdOf(credentials)
    return {
      kind: userId == null ? 'backend' : 'user',
      userId: userId == null ? `${KEY_USER_PREFIX}${key.name}` : parseUserId(userId),
      clientId: parseClientId(clientIdOf(credentials)),
      capabilities: key.capabilities,
      expiresAt: key.expiresAt,
      tokenId: key.id,
      issuedAt: key.createdAt,
      claims: {},
    }
  }
}
