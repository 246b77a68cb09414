import { after } from './timing.ts'

/** The length of a window, in milliseconds. */
const WINDOW_MS = 1_000

/**
 * Lets at most so many items a second through, as the server does for a whole subscription. In each window the first ones pass
 * at once; of those that are too many the newest are held back until the next window, and the others left out.
 */
export class Throttle<Item> {
  readonly #perSecond: number
  readonly #deliver: (item: Item) => void
  #held: Item[] = []
  #passed = 0
  #windowStart = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(perSecond: number, deliver: (item: Item) => void) {
    this.#perSecond = perSecond
    this.#deliver = deliver
  }

  get isHolding(): boolean {
    return this.#held.length > 0
  }

  offer(item: Item): void {
    const now = performance.now()
    if (now - this.#windowStart >= WINDOW_MS) this.#open(now)
    if (!this.isHolding && this.#passed < this.#perSecond) this.#pass(item)
    else this.#hold(item, this.#windowStart + WINDOW_MS - now)
  }

  /** Lets everything through that is held back. */
  flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    for (const item of this.#held.splice(0)) this.#pass(item)
  }

  close(): void {
    this.#held = []
    this.flush()
  }

  #open(now: number): void {
    this.#windowStart = now
    this.#passed = 0
  }

  #pass(item: Item): void {
    this.#passed++
    this.#deliver(item)
  }

  #hold(item: Item, waitMs: number): void {
    this.#held.push(item)
    if (this.#held.length > this.#perSecond) this.#held.shift()
    this.#cancel ??= after(waitMs, () => {
      this.#open(performance.now())
      this.flush()
    })
  }
}
