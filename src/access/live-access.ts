import { CarillonError } from '../protocol/errors.ts'
import { type Access, type Need, revoked } from './access.ts'
import type { Viewer } from './viewer.ts'

/** What is open as long as its needs are covered. */
export interface Guarded {
  /** Ends it with an error. */
  fail(error: CarillonError): void
  /** Calls back once it has ended. */
  onClosed(callback: () => void): void
}

export interface LiveAccessOptions {
  readonly access: Access
  /**
   * How long credentials that have run out may still be renewed, in milliseconds. Meanwhile what is open
   * rests. Undefined: what is open fails at once.
   */
  readonly graceMs?: number | undefined
  /** The credentials have run out: nothing is to be delivered until they are renewed. */
  readonly onExpired?: () => void
  readonly onRenewed?: () => void
  /** No renewal can help any more. */
  readonly onEnded?: (error: CarillonError) => void
}

/** The longest that a timer of Node can wait, in milliseconds. */
const MAX_TIMER_MS = 2_147_483_647

/**
 * The credentials of one connection, or of one operation, over time: they run out, are renewed or revoked,
 * and what was opened under them rests, goes on or ends.
 */
export class LiveAccess {
  readonly #options: LiveAccessOptions
  readonly #guarded = new Map<Guarded, readonly Need[]>()
  #viewer: Viewer
  #timer: NodeJS.Timeout | undefined
  #state: 'valid' | 'expired' | 'ended' = 'valid'

  constructor(viewer: Viewer, options: LiveAccessOptions) {
    this.#viewer = viewer
    this.#options = options
    options.access.add(this)
    this.#watch()
  }

  get viewer(): Viewer {
    return this.#viewer
  }

  /**
   * From now on this ends where its needs are not covered. It may not be covered any more already.
   * @param checked for whom it was found to be, when it was opened
   */
  guard(guarded: Guarded, needs: readonly Need[], checked = this.#viewer): void {
    this.#guarded.set(guarded, needs)
    guarded.onClosed(() => this.#guarded.delete(guarded))
    try {
      this.#options.access.ensureValid(this.#viewer)
    } catch (error) {
      // What has run out while it was opened rests as everything else does.
      if (this.#state !== 'expired') guarded.fail(error as CarillonError)
      return
    }
    // The credentials were renewed while it was opened.
    if (checked !== this.#viewer) void this.#recheck(guarded, needs)
  }

  /**
   * Goes on with fresh credentials of the same user. What they do not cover ends.
   * @throws CarillonError PERMISSION_DENIED where they are of another user, UNAUTHENTICATED where it is too late
   */
  async renew(viewer: Viewer): Promise<void> {
    if (this.#state === 'ended') throw new CarillonError('UNAUTHENTICATED')
    if (!isSameCaller(viewer, this.#viewer)) {
      const text = 'These are the credentials of another user or client: open another connection.'
      throw new CarillonError('PERMISSION_DENIED', text)
    }
    const { access, onRenewed } = this.#options
    access.ensureValid(viewer)
    this.#viewer = viewer
    if (this.#state === 'valid') this.#watch() // what runs out in the meantime rests as ever
    await this.recheck()
    if (this.#viewer !== viewer || this.#ended) return // by others, meanwhile
    if (this.#state === 'valid') return
    access.ensureValid(viewer)
    this.#state = 'valid'
    this.#watch()
    onRenewed?.()
  }

  /** Ends what is no longer covered. Does not reject: where it cannot be told, it stays. */
  async recheck(): Promise<void> {
    await Promise.all([...this.#guarded].map(([guarded, needs]) => this.#recheck(guarded, needs)))
  }

  revoke(): void {
    this.#end(revoked())
  }

  /** Idempotent. */
  close(): void {
    this.#state = 'ended'
    clearTimeout(this.#timer)
    this.#options.access.remove(this)
  }

  get #ended(): boolean {
    return this.#state === 'ended'
  }

  async #recheck(guarded: Guarded, needs: readonly Need[]): Promise<void> {
    const viewer = this.#viewer
    try {
      await this.#options.access.check(viewer, needs)
    } catch (error) {
      if (viewer !== this.#viewer) return // they were renewed, and it was asked again
      if (error instanceof CarillonError && !error.retryable && !isExpiry(error, viewer)) {
        guarded.fail(error)
      }
    }
  }

  #watch(): void {
    clearTimeout(this.#timer)
    const { expiresAt } = this.#viewer
    if (expiresAt === null) return
    this.#after(expiresAt.getTime() - Date.now(), () => {
      if (expiresAt.getTime() > Date.now())
        this.#watch() // the clock was set, or a timer is not that long
      else this.#expire()
    })
  }

  #expire(): void {
    const { graceMs, onExpired, onEnded } = this.#options
    const error = new CarillonError('UNAUTHENTICATED', 'The credentials have run out.')
    if (graceMs === undefined) this.#end(error)
    else {
      this.#state = 'expired'
      onExpired?.()
      this.#after(graceMs, () => onEnded?.(error))
    }
  }

  #end(error: CarillonError): void {
    if (this.#ended) return
    this.close()
    for (const guarded of [...this.#guarded.keys()]) guarded.fail(error)
    this.#options.onEnded?.(error)
  }

  #after(ms: number, callback: () => void): void {
    this.#timer = setTimeout(callback, Math.min(Math.max(0, ms), MAX_TIMER_MS))
    this.#timer.unref()
  }
}

/** What is open was opened for this one. */
function isSameCaller(a: Viewer, b: Viewer): boolean {
  return a.kind === b.kind && a.userId === b.userId && a.clientId === b.clientId
}

/** What has run out rests; it does not end. */
function isExpiry({ code }: CarillonError, { expiresAt }: Viewer): boolean {
  return code === 'UNAUTHENTICATED' && expiresAt !== null && expiresAt.getTime() <= Date.now()
}
