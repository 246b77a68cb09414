/** What a server did, and how often. */
export class Tally {
  readonly #counts = new Map<string, number>()

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count)
  }

  /** A message of the protocol: its type, or the code of the error and the limit that it names. */
  hear(text: string): void {
    const refusal = refusalIn(text)
    this.add(refusal ?? /"type":"(\w+)"/.exec(text)?.[1] ?? 'something else')
  }

  /** An answer of HTTP. */
  status(status: number, text: string): void {
    const refusal = refusalIn(text)
    this.add(refusal === undefined ? `HTTP ${status}` : `HTTP ${status} ${refusal}`)
  }
}

function refusalIn(text: string): string | undefined {
  const code = /"code":"(\w+)"/.exec(text)?.[1]
  if (code === undefined) return undefined
  const limit = /"limit":"(\w+)"/.exec(text)?.[1]
  return limit === undefined ? code : `${code} limit ${limit}`
}
