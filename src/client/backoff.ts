export interface BackoffOptions {
  /** The longest first pause, in milliseconds. Default 250. */
  readonly baseMs?: number
  /** The longest pause of all, in milliseconds. Default 20000. */
  readonly maxMs?: number
}

/**
 * How long to wait before the next try, in milliseconds: a random part of a bound that doubles with each try, so that
 * many clients do not come back at the same time.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoffMs(
  failures: number,
  { baseMs = 250, maxMs = 20_000 }: BackoffOptions = {},
): number {
  return Math.random() * Math.min(maxMs, baseMs * 2 ** failures)
}
