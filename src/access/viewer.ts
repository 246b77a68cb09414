import type { Reader } from '../core/message.ts'
import { MAX_ID_LENGTH, parseText } from '../core/text.ts'

/** Whom the server takes a caller for. */
export interface Viewer extends Reader {
  /** The client (a device or a tab), where it named itself. */
  readonly clientId: string | null
}

/** Who calls, as a host application says it. */
export interface Identity {
  /** 1 to 128 characters. */
  readonly userId: string
  /** 1 to 128 characters. */
  readonly clientId?: string | null
}

/** The user of everyone who names none in open mode. */
export const ANONYMOUS = 'anonymous'

/** The user of calls of the library that name none: a backend that sees everything. */
export const BACKEND: Viewer = { kind: 'backend', userId: 'backend', clientId: null }

/** How a caller names itself. */
export interface OpenIdentity {
  readonly userId?: unknown
  readonly clientId?: unknown
}

/**
 * A viewer in open mode: who it says it is, and it may do everything that users may.
 * @throws CarillonError INVALID_INPUT where an id is no name
 */
export function openViewer({ userId, clientId }: OpenIdentity): Viewer {
  const isNamed = userId !== undefined && userId !== null
  return {
    kind: 'user',
    userId: isNamed ? parseText(userId, 'A user id', MAX_ID_LENGTH) : ANONYMOUS,
    clientId: parseClientId(clientId),
  }
}

/** @throws CarillonError INVALID_INPUT */
export function viewerOf(identity: Identity | undefined): Viewer {
  if (identity === undefined) return BACKEND
  return {
    kind: 'user',
    userId: parseText(identity.userId, 'A user id', MAX_ID_LENGTH),
    clientId: parseClientId(identity.clientId),
  }
}

function parseClientId(clientId: unknown): string | null {
  if (clientId === undefined || clientId === null) return null
  return parseText(clientId, 'A client id', MAX_ID_LENGTH)
}
