/**
 * Lets several calls, each on its own way to the same deed, do it together: once each has either asked for it or
 * settled without.
 */
export class Gathering<Request, Answer> {
  readonly #perform: (requests: readonly Request[]) => Promise<readonly Answer[]>
  readonly #asked = new Map<number, Asked<Request, Answer>>()
  readonly #open: Set<number>
  #failure: { readonly error: unknown } | undefined

  constructor(
    count: number,
    perform: (requests: readonly Request[]) => Promise<readonly Answer[]>,
  ) {
    this.#perform = perform
    this.#open = new Set(Array.from({ length: count }, (_, index) => index))
  }

  /** Resolves with its answer once all was done. */
  ask(index: number, request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#asked.set(index, { request, resolve, reject })
      this.#close(index)
    })
  }

  /** This one asks for nothing. @param failure why nothing at all is to be done */
  settle(index: number, failure?: { readonly error: unknown }): void {
    this.#failure ??= failure
    this.#close(index)
  }

  #close(index: number): void {
    if (this.#open.delete(index) && this.#open.size === 0) void this.#finish()
  }

  async #finish(): Promise<void> {
    const asked = [...this.#asked].sort(([a], [b]) => a - b).map(([, one]) => one)
    try {
      if (this.#failure !== undefined) throw this.#failure.error
      const answers = await this.#perform(asked.map(({ request }) => request))
      asked.forEach(({ resolve, reject }, index) => {
        const answer = answers[index]
        if (answer === undefined) reject(new Error('There are too few answers.'))
        else resolve(answer)
      })
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }
}

interface Asked<Request, Answer> {
  readonly request: Request
  resolve(answer: Answer): void
  reject(error: unknown): void
}
