import { CarillonError } from '../protocol/errors.ts'

/** How the time between two attempts grows: not at all, by the same each time, or twofold. */
export type RetryStrategy = 'fixed' | 'linear' | 'exponential'

/** How often, and when, a message is handed to a handler that fails. */
export interface RetryPolicy {
  /** Calls of the handler at most, the first one among them: 1 to 100. Default 5. */
  readonly attempts: number
  /** Default `exponential`. */
  readonly strategy: RetryStrategy
  /** After the first attempt, in milliseconds: 0 to a day. Default 200. */
  readonly baseDelay: number
  /** The longest time, in milliseconds: 0 to a day. Default 30,000. */
  readonly maxDelay: number
  /** Which part of the time is left to chance, 0 to 1: with 0.2, it is 80 to 100 % of it. Default 0.2. */
  readonly jitter: number
}

const DEFAULT_RETRY: RetryPolicy = {
  attempts: 5,
  strategy: 'exponential',
  baseDelay: 200,
  maxDelay: 30_000,
  jitter: 0.2,
}

const MAX_ATTEMPTS = 100
const DAY_MS = 24 * 60 * 60 * 1_000

/** @throws CarillonError INVALID_INPUT */
export function parseRetry(request: Partial<RetryPolicy> = {}): RetryPolicy {
  const { attempts, strategy, baseDelay, maxDelay, jitter } = { ...DEFAULT_RETRY, ...request }
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > MAX_ATTEMPTS) {
    throw new CarillonError('INVALID_INPUT', `\`retry.attempts\` is 1 to ${MAX_ATTEMPTS}.`)
  }
  if (!isStrategy(strategy)) {
    const text = '`retry.strategy` is fixed, linear or exponential.'
    throw new CarillonError('INVALID_INPUT', text)
  }
  checkNumber('baseDelay', baseDelay, DAY_MS)
  checkNumber('maxDelay', maxDelay, DAY_MS)
  checkNumber('jitter', jitter, 1)
  return { attempts, strategy, baseDelay, maxDelay, jitter }
}

/**
 * How long to wait after so many failed attempts, in milliseconds.
 * @param chance 0 to 1
 */
export function delayAfter(attempts: number, policy: RetryPolicy, chance: number): number {
  const { baseDelay, maxDelay, jitter } = policy
  const delay = Math.min(baseDelay * growth(attempts, policy.strategy), maxDelay)
  return Math.round(delay * (1 - jitter * chance))
}

function growth(attempts: number, strategy: RetryStrategy): number {
  switch (strategy) {
    case 'fixed':
      return 1
    case 'linear':
      return attempts
    case 'exponential':
      return 2 ** (attempts - 1)
    default:
      return strategy satisfies never
  }
}

function isStrategy(value: unknown): value is RetryStrategy {
  return value === 'fixed' || value === 'linear' || value === 'exponential'
}

function checkNumber(name: string, value: number, max: number): void {
  if (Number.isFinite(value) && value >= 0 && value <= max) return
  throw new CarillonError('INVALID_INPUT', `\`retry.${name}\` is 0 to ${max}.`)
}
