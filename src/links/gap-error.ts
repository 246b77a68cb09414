import type { Gap } from '../protocol/errors.ts'

/** An error as the server answers it where a subscription may not skip what is gone. */
export interface GapError {
  readonly message: string
  readonly extensions: {
    readonly code: 'CURSOR_EXPIRED'
    readonly retryable: false
    readonly gap: Gap
  }
}

export function gapError(gap: Gap): GapError {
  const { topic, fromSequence, toSequence, reason } = gap
  const message =
    reason === 'RETENTION'
      ? `The topic ${topic} no longer keeps the messages ${fromSequence} to ${toSequence}.`
      : `The numbering of the topic ${topic} started again after this cursor was given out.`
  return { message, extensions: { code: 'CURSOR_EXPIRED', retryable: false, gap } }
}
