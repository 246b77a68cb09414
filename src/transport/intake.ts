/** One that has input to work on. */
export interface Inlet {
  /** Works on a small part of it; answers whether more is waiting that may be worked on. */
  step(): boolean
}

/** How long input is worked on until everything else gets the process, in milliseconds. */
const SLICE_MS = 0.5

/**
 * What clients send, in small parts and by turns, so that one who sends as fast as it can does not keep others
 * waiting for longer than such a part. Whoever had nothing waiting comes before those who had, so that a request
 * now and then does not stand behind a flood (https://www.rfc-editor.org/rfc/rfc8290#section-4.2). As long as
 * nobody waits, the process may be used up by anyone.
 */
export class Intake {
  /** Those who wait for their first turn, and those who had one and have more. */
  readonly #fresh = new Set<Inlet>()
  readonly #busy = new Set<Inlet>()
  #isScheduled = false
  #isWorking = false
  /** Whether the last turn was of one that had nothing waiting before. */
  #wasFresh = false
  /** Until when input is worked on in this turn of the event loop, on the clock of `performance.now()`. */
  #until = 0

  /** Works on it as soon as it is its turn: now, where there is time. Nothing where it waits already. */
  add(inlet: Inlet): void {
    if (this.#fresh.has(inlet) || this.#busy.has(inlet)) return
    this.#fresh.add(inlet)
    if (!this.#isScheduled) this.#begin()
    else if (this.#isAlone && performance.now() < this.#until) this.#work()
  }

  /** Resolves when it is one's turn: at once, where nobody waits. What it is for comes after it, and takes the rest of the slice. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.add({
        step: () => {
          resolve()
          this.#until = 0
          return false
        },
      })
    })
  }

  get #isAlone(): boolean {
    return this.#fresh.size + this.#busy.size === 1
  }

  /** A turn of the event loop, and another one as long as anybody waits. */
  #begin(): void {
    this.#isScheduled = true
    this.#until = performance.now() + SLICE_MS
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#fresh.size > 0 || this.#busy.size > 0) this.#begin()
    })
    this.#work()
  }

  #work(): void {
    if (this.#isWorking) return
    this.#isWorking = true
    try {
      do {
        const inlet = this.#take()
        if (inlet === undefined) break
        if (inlet.step() && !this.#fresh.has(inlet)) this.#busy.add(inlet)
      } while (performance.now() < this.#until)
    } finally {
      this.#isWorking = false
    }
  }

  /** Who has more gets every other turn: those that keep coming with a little must not keep it waiting for ever. */
  #take(): Inlet | undefined {
    const [fresh] = this.#fresh
    const [busy] = this.#busy
    const inlet = this.#wasFresh ? (busy ?? fresh) : (fresh ?? busy)
    if (inlet === undefined) return undefined
    this.#wasFresh = inlet === fresh
    this.#fresh.delete(inlet)
    this.#busy.delete(inlet)
    return inlet
  }
}
