import { after } from '../client/timing.ts'

/** The shortest time between two renderings of a list, in milliseconds: about a frame of a screen. */
const FRAME_MS = 16

/** Does something at once, and when it is asked for more often than a screen shows, once a frame. */
export class Pace {
  readonly #work: () => void
  #last = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(work: () => void) {
    this.#work = work
  }

  request(): void {
    if (this.#cancel !== undefined) return
    const waitMs = this.#last + FRAME_MS - performance.now()
    if (waitMs <= 0) this.now()
    else this.#cancel = after(waitMs, () => this.now())
  }

  now(): void {
    this.stop()
    this.#last = performance.now()
    this.#work()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
