/** Told what goes wrong in code of the application, which must not stop anybody else's. */
export type ReportFault = (error: unknown) => void

/** Who wants to be told of something. */
export class Listeners<Args extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Args) => void>()
  readonly #report: ReportFault

  constructor(report: ReportFault) {
    this.#report = report
  }

  /** Answers how to be told no more; doing that twice does nothing. */
  add(listener: (...args: Args) => void): () => void {
    const own = (...args: Args) => listener(...args) // the same one may be added twice
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  tell(...args: Args): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(...args)
      } catch (error) {
        this.#report(error)
      }
    }
  }
}
