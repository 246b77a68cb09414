/** What would move the cursor of a terminal, change its colours, or turn the direction of a line. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Of those, what JSON leaves as it is. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** What takes no column: marks on the letter before, joiners, variation selectors. */
const NO_COLUMNS = /^[\p{Mn}\p{Me}\p{Cf}]+$/u

/** What takes two columns: emoji, and the wide letters of East Asia. https://www.unicode.org/reports/tr11/ */
const TWO_COLUMNS =
  /\p{Emoji_Presentation}|\ufe0f|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** A text that somebody else wrote, on one line and without power over the terminal. */
export function visible(text: string): string {
  return text.replaceAll(UNSAFE, escaped)
}

/** The same of a text that may have several lines. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n')
}

/** A value as one line of JSON, which is safe on a terminal, too. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replaceAll(UNSAFE_IN_JSON, escaped)
}

/** How many columns of a terminal a text takes. */
export function columnsOf(text: string): number {
  if (isPlain(text)) return text.length
  let columns = 0
  for (const { segment } of graphemes.segment(text)) columns += columnsOfGrapheme(segment)
  return columns
}

/** The text, shortened with an ellipsis where it takes more columns. */
export function shortened(text: string, columns: number): string {
  // Of a payload of a megabyte only the beginning is looked at: none of it is shorter than it is wide.
  if (text.length <= columns && columnsOf(text) <= columns) return text
  let short = ''
  let left = columns - 1
  for (const { segment } of graphemes.segment(text.slice(0, columns * MAX_UNITS))) {
    left -= columnsOfGrapheme(segment)
    if (left < 0) break
    short += segment
  }
  return `${short}…`
}

export function padded(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)))
}

/** UTF-16 units of a grapheme that are looked at for each column: families of emoji have about a dozen. */
const MAX_UNITS = 16

function columnsOfGrapheme(grapheme: string): number {
  if (NO_COLUMNS.test(grapheme)) return 0
  return TWO_COLUMNS.test(grapheme) ? 2 : 1
}

function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
