import { UsageError } from './usage-error.ts'

const UNIT_MS = { h: 3_600_000, d: 86_400_000 } as const

const DURATION = /^(\d{1,6})([hd])$/
const DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/

/**
 * When something expires: `30d` or `12h` from now, the beginning of a day, `2027-01-31`, or a moment,
 * `2027-01-31T18:00Z`; days and moments in UTC.
 * @throws UsageError
 */
export function parseExpiry(text: string, now: number): Date {
  const expiry = DATE.test(text) ? parseDate(text) : parseDuration(text, now)
  if (expiry !== undefined) return expiry
  throw new UsageError(
    `--expires takes a time such as 30d or 12h, or a date such as 2027-01-31, not ${JSON.stringify(text)}.`,
  )
}

function parseDuration(text: string, now: number): Date | undefined {
  const [, count, unit] = DURATION.exec(text) ?? []
  if (unit !== 'h' && unit !== 'd') return undefined
  return new Date(now + Number(count) * UNIT_MS[unit])
}

/** Dates that are in no calendar become others: 31 February the 3 March. */
function parseDate(text: string): Date | undefined {
  const date = new Date(text)
  const isInCalendar =
    !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text.slice(0, 10))
  return isInCalendar ? date : undefined
}
