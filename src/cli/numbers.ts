import { UsageError } from './usage-error.ts'

/**
 * A whole number from 1 on, as an option says it.
 * @throws UsageError
 */
export function parseCount(option: string, text: string, max = Number.MAX_SAFE_INTEGER): number {
  const count = parseWhole(option, text, max)
  if (count > 0) return count
  throw new UsageError(`${option} takes a whole number from 1 on, not ${JSON.stringify(text)}.`)
}

/**
 * A whole number from 0 on.
 * @throws UsageError
 */
export function parseWhole(option: string, text: string, max = Number.MAX_SAFE_INTEGER): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number <= max) return number
  const limit = max === Number.MAX_SAFE_INTEGER ? '' : ` of at most ${max}`
  throw new UsageError(`${option} takes a whole number${limit}, not ${JSON.stringify(text)}.`)
}
