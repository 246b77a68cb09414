import { CarillonError } from '../protocol/errors.ts'

/**
 * The longest name of a user, client or consumer, in UTF-16 code units.
 */
export const MAX_ID_LENGTH = 128

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/

/**
 * A name that a person or a program chose: 1 to `max` UTF-16 code units, without control
 * characters and lone surrogates, which databases and terminals do not give back as they were.
 * @param max a bound, or a limit by its name, which is said where the text is longer
 * @throws CarillonError INVALID_INPUT
 */
export function parseText(
  value: unknown,
  what: string,
  max: number | { readonly limit: string; readonly max: number },
): string {
  const maxLength = typeof max === 'number' ? max : max.max
  if (isText(value, maxLength)) return value
  const isTooLong = typeof value === 'string' && value.length > maxLength
  throw new CarillonError(
    'INVALID_INPUT',
    `${what} is 1 to ${maxLength} characters, without control characters.`,
    isTooLong && typeof max === 'object' ? { limit: max.limit } : {},
  )
}

export function isText(value: unknown, maxLength: number): value is string {
  return (
    typeof value === 'string' &&
    value.length >= 1 &&
    value.length <= maxLength &&
    !CONTROL_CHARACTER.test(value) &&
    value.isWellFormed()
  )
}

/**
 * The values of a filter. Any text is a value: one that no message can have matches nothing.
 * @throws CarillonError INVALID_INPUT
 */
export function parseFilter(
  name: string,
  values: readonly string[] | null | undefined,
  max: number,
): readonly string[] | undefined {
  if (values == null) return undefined
  if (!Array.isArray(values) || values.some((value) => typeof value !== 'string')) {
    throw new CarillonError('INVALID_INPUT', `\`${name}\` is a list of texts.`)
  }
  if (values.length > max) {
    throw new CarillonError('INVALID_INPUT', `\`${name}\` takes at most ${max} values.`, {
      limit: 'filterValues',
    })
  }
  return values.filter((value) => !value.includes('\0'))
}
