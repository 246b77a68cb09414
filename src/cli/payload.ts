import { UsageError } from './usage-error.ts'
import { shortened, visible } from './visible-text.ts'

/** Of a text that is no JSON, as much as is repeated, in columns. */
const SHOWN = 40

/**
 * A JSON value that somebody wrote.
 * @param what names it in the error
 * @throws UsageError
 */
export function parseJson(what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    const shown = shortened(visible(text.trim()), SHOWN)
    const hint = /^[\w .,!?-]+$/.test(shown) ? `; --text takes a text as it is` : ''
    throw new UsageError(`${what} is not JSON: ${shown}${hint}`)
  }
}
