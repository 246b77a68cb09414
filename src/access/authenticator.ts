import { CarillonError } from '../protocol/errors.ts'
import { type Credentials, clientIdOf, userIdOf } from './credentials.ts'
import { type Identity, openViewer, type Viewer, viewerOf } from './viewer.ts'
import { withinTime } from './within-time.ts'

/** Says who a caller is. */
export interface Authenticator {
  /**
   * Resolves with whom the credentials stand for, valid now.
   * @throws CarillonError UNAUTHENTICATED where they stand for nobody, INVALID_INPUT where an id in them is no
   * name, SERVICE_UNAVAILABLE where it cannot be told for the moment
   */
  authenticate(credentials: Credentials): Promise<Viewer>
}

/** Believes everyone: callers say who they are. */
export const OPEN: Authenticator = {
  authenticate: async (credentials) =>
    openViewer({ userId: userIdOf(credentials), clientId: clientIdOf(credentials) }),
}

/**
 * Of a host application: whom credentials stand for; null or undefined where for nobody. What it throws, but for
 * errors of the catalogue, is logged and answered with SERVICE_UNAVAILABLE.
 */
export type Authenticate = (
  credentials: Credentials,
) => Identity | null | undefined | Promise<Identity | null | undefined>

/** Asks the host application. */
export function hostAuthenticator(authenticate: Authenticate): Authenticator {
  return {
    authenticate: async (credentials) => {
      const identity = await ask(authenticate, credentials)
      if (identity == null) throw new CarillonError('UNAUTHENTICATED')
      const { clientId = clientIdOf(credentials) } = identity
      return viewerOf({ ...identity, clientId: clientId as string | null | undefined }) // parsed there
    },
  }
}

async function ask(authenticate: Authenticate, credentials: Credentials) {
  try {
    return await withinTime(authenticate(credentials))
  } catch (cause) {
    if (cause instanceof CarillonError) throw cause
    throw new CarillonError('SERVICE_UNAVAILABLE', undefined, { cause })
  }
}
