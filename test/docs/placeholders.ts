/**
 * Values that differ from run to run stand in the documentation as placeholders: `"<cursor>"`, or
 * with a name, `"<cursor A>"`, which then stands for the same value wherever it comes again.
 */
const KINDS = {
  id: /^[mtc]\.[A-Za-z0-9_-]{6,}$/,
  cursor: /^[A-Za-z0-9_-]{12,}$/,
  epoch: /^[0-9a-f]{12}$/,
  instant: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
} as const

const PLACEHOLDER = /<(id|cursor|epoch|instant)( [^<>"]+)?>/
const WHOLE = new RegExp(`^${PLACEHOLDER.source}$`)

export class Placeholders {
  readonly #bound = new Map<string, string>()

  /** Puts the values that earlier answers had into a text. */
  fill(text: string): string {
    return text.replaceAll(new RegExp(PLACEHOLDER, 'g'), (placeholder) => {
      const value = this.#bound.get(placeholder)
      if (value === undefined) throw new Error(`${placeholder} comes in no answer before.`)
      return value
    })
  }

  /**
   * What came, with placeholders where the documentation has them and they fit: to be compared with
   * what is written.
   */
  abstract(actual: unknown, written: unknown): unknown {
    if (typeof written === 'string') return this.#abstractText(actual, written)
    if (!isObject(actual) || !isObject(written)) return actual
    if (Array.isArray(actual)) {
      return actual.map((value, index) => this.abstract(value, Reflect.get(written, index)))
    }
    const entries = Object.entries(actual)
    return Object.fromEntries(
      entries.map(([key, value]) => [key, this.abstract(value, Reflect.get(written, key))]),
    )
  }

  #abstractText(actual: unknown, written: string): unknown {
    const [, kind, name] = WHOLE.exec(written) ?? []
    if (!isKind(kind) || typeof actual !== 'string' || !KINDS[kind].test(actual)) return actual
    if (name === undefined) return written
    const bound = this.#bound.get(written) ?? actual
    this.#bound.set(written, bound)
    return bound === actual ? written : actual
  }
}

function isKind(kind: string | undefined): kind is keyof typeof KINDS {
  return kind !== undefined && Object.hasOwn(KINDS, kind)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
