import type { Places } from '../core/resume.ts'

/** A subscription whose places are remembered. */
export interface Resumable {
  /** What has been handed on to the subscriber's connection, or passed over. */
  places(): Places
  /** Messages handed on so far. */
  readonly delivered: number
  readonly isClosed: boolean
}

/** What lets a subscriber go on where it was, on another connection. */
export interface ResumePoint {
  /** Whether this connection is gone as well. */
  readonly isLost: boolean
  /**
   * What the subscriber has got for certain, if it asked for the same before.
   * @param request what it asks for, as a text
   */
  find(request: string): Promise<Places | undefined>
  /** From now on its places are remembered. Resolves once those of now are. Does not reject. */
  hold(request: string, subscription: Resumable): Promise<void>
}
