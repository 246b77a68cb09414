import type { TopicPattern } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Action } from './action.ts'
import type { Authorizer } from './authorizer.ts'
import type { CapabilityTopics } from './capabilities.ts'
import type { LiveAccess } from './live-access.ts'
import type { Revocations } from './revocations.ts'
import { BACKEND, type Viewer } from './viewer.ts'

/** What is to be done where. */
export interface Need {
  readonly action: Action
  /** A star alone stands for every topic. */
  readonly topics: CapabilityTopics
}

export interface AccessParts {
  /** Who is let in no more. */
  readonly revocations: Pick<Revocations, 'isRevoked'>
  /** Asked besides the capabilities, where there is one. */
  readonly authorizer: Authorizer | undefined
  /** Whether users may publish, and not only backends. */
  readonly clientsPublish: boolean
}

/** The one place where it is decided who may do what. */
export class Access {
  readonly #parts: AccessParts
  readonly #live = new Set<LiveAccess>()

  constructor(parts: AccessParts) {
    this.#parts = parts
  }

  /**
   * Whether the credentials of a caller still hold: they may have run out, or have been revoked, since.
   * @throws CarillonError UNAUTHENTICATED
   */
  ensureValid(viewer: Viewer): void {
    if (viewer.expiresAt !== null && viewer.expiresAt.getTime() <= Date.now()) {
      throw new CarillonError('UNAUTHENTICATED', 'The credentials have run out.')
    }
    if (this.isRevoked(viewer)) throw revoked()
  }

  isRevoked(viewer: Viewer): boolean {
    if (viewer === BACKEND) return false // whoever calls the library can do everything anyway
    const { userId, clientId, tokenId, issuedAt } = viewer
    const subject = { userId, clientId, tokenId, issuedAt: issuedAt.getTime() }
    return this.#parts.revocations.isRevoked(subject)
  }

  /**
   * Whether a caller may do all of this. Answers at once where nobody has to be asked. What it says does not
   * depend on whether a topic has ever been published to.
   * @throws CarillonError UNAUTHENTICATED, PERMISSION_DENIED; SERVICE_UNAVAILABLE where `authorize` fails
   */
  check(viewer: Viewer, needs: readonly Need[]): void | Promise<void> {
    this.ensureValid(viewer)
    for (const need of needs) {
      if (!viewer.capabilities.allow(need.action, need.topics)) throw denied(need)
      if (need.action === 'PUBLISH' && viewer.kind === 'user' && !this.#parts.clientsPublish) {
        throw new CarillonError('PERMISSION_DENIED', 'Only backends may publish here.')
      }
    }
    const { authorizer } = this.#parts
    if (authorizer !== undefined && viewer.kind === 'user') {
      return this.#ask(authorizer, viewer, needs)
    }
  }

  /** Whether somebody is asked besides the capabilities. */
  asks({ kind }: Viewer): boolean {
    return this.#parts.authorizer !== undefined && kind === 'user'
  }

  /** Whether a caller may do this, for what is left out where it may not. */
  async allows(viewer: Viewer, need: Need): Promise<boolean> {
    try {
      await this.check(viewer, [need])
      return true
    } catch (error) {
      if (error instanceof CarillonError && error.code === 'PERMISSION_DENIED') return false
      throw error
    }
  }

  /** What is alive as long as its credentials hold. */
  add(live: LiveAccess): void {
    this.#live.add(live)
  }

  remove(live: LiveAccess): void {
    this.#live.delete(live)
  }

  /** Ends what those have opened who have been revoked meanwhile. */
  applyRevocations(): void {
    for (const live of [...this.#live]) if (this.isRevoked(live.viewer)) live.revoke()
  }

  /** Asks anew: `authorize` may answer differently by now. @param userId only of this user */
  async reauthorize(userId?: string): Promise<void> {
    this.#parts.authorizer?.forget(userId)
    await this.recheck(userId)
  }

  /** Ends what is open and may not stay so. */
  async recheck(userId?: string): Promise<void> {
    const concerned = [...this.#live].filter(
      ({ viewer }) => userId === undefined || viewer.userId === userId,
    )
    await Promise.all(concerned.map((live) => live.recheck()))
  }

  async #ask(authorizer: Authorizer, viewer: Viewer, needs: readonly Need[]): Promise<void> {
    const answers = await Promise.all(needs.map((need) => authorizer.isAllowed(viewer, need)))
    const refused = needs.find((_need, index) => answers[index] !== true)
    if (refused !== undefined) throw denied(refused)
    this.ensureValid(viewer) // it may have taken its time
  }
}

export function revoked(): CarillonError {
  return new CarillonError('UNAUTHENTICATED', 'The credentials have been revoked.')
}

function denied({ action, topics }: Need): CarillonError {
  const where = topics === '*' ? 'on all topics' : `on ${topics satisfies TopicPattern}`
  return new CarillonError('PERMISSION_DENIED', `${action} ${where} is not permitted.`)
}
