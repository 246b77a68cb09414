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
  readonly #held: Item[] = []
  #passed = 0
  /** Undefined where the window is over, and nothing came since. */
  #cancel: (() => void) | undefined

  constructor(perSecond: number, deliver: (item: Item) => void) {
    this.#perSecond = perSecond
    this.#deliver = deliver
  }

  get isHolding(): boolean {
    return this.#held.length > 0
  }

  offer(item: Item): void {
    this.#cancel ??= after(WINDOW_MS, () => this.#next())
    if (this.#passed < this.#perSecond) this.#pass(item)
    else if (this.#held.push(item) > this.#perSecond) this.#held.shift()
  }

  /** Lets everything through that is held back. */
  flush(): void {
    for (const item of this.#held.splice(0)) this.#pass(item)
  }

  close(): void {
    this.#cancel?.()
    this.#held.length = 0
  }

  #pass(item: Item): void {
    this.#passed++
    this.#deliver(item)
  }

  /** What was held back is the first of the next window. */
  #next(): void {
    this.#cancel = undefined
    this.#passed = 0
    for (const item of this.#held.splice(0)) this.offer(item)
  }
}
