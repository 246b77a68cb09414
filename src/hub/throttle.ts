/** The length of a window, in milliseconds. */
const WINDOW_MS = 1_000

/** What may be held back at once, in bytes; older items are left out before their time. */
const MAX_HELD_BYTES = 1024 * 1024

export interface ThrottleOptions<Item> {
  /** Items a second. */
  readonly maxPerSecond: number
  /** Takes an item, with how many were left out since the one before it. */
  readonly deliver: (item: Item, dropped: number) => void
  readonly bytesOf: (item: Item) => number
  /** What is never left out, and counts for nothing, but keeps its place. Default: nothing. */
  readonly isKept?: (item: Item) => boolean
}

/**
 * Lets at most so many items a second through. In each window of a second the first ones pass at once;
 * of those that are too many the newest are held back until the next window, and the others left out.
 */
export class Throttle<Item> {
  readonly #options: ThrottleOptions<Item>
  #held: Item[] = []
  #heldBytes = 0
  /** Of the held items, those that are kept. */
  #keptCount = 0
  /** Items that passed in this window. */
  #passed = 0
  #windowStart = Number.NEGATIVE_INFINITY
  #dropped = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: ThrottleOptions<Item>) {
    this.#options = options
  }

  offer(item: Item): void {
    this.#openWindow()
    if (this.#isKept(item)) this.#keep(item)
    else if (this.#held.length === 0 && this.#passed < this.#options.maxPerSecond) this.#pass(item)
    else this.#hold(item)
  }

  get isHolding(): boolean {
    return this.#held.length > 0
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#held = []
  }

  #openWindow(): void {
    const now = performance.now()
    if (now - this.#windowStart < WINDOW_MS) return
    this.#windowStart = now
    this.#passed = 0
  }

  #pass(item: Item): void {
    if (!this.#isKept(item)) this.#passed++
    this.#deliver(item)
  }

  #isKept(item: Item): boolean {
    return this.#options.isKept?.(item) === true
  }

  /** Behind what is held, if anything is. */
  #keep(item: Item): void {
    if (this.#held.length === 0) this.#deliver(item)
    else {
      this.#held.push(item)
      this.#keptCount++
    }
  }

  #deliver(item: Item): void {
    const dropped = this.#dropped
    this.#dropped = 0
    this.#options.deliver(item, dropped)
  }

  #hold(item: Item): void {
    this.#held.push(item)
    this.#heldBytes += this.#options.bytesOf(item)
    while (this.#isFull && this.#heldCount > 1) this.#leaveOutOldest()
    const elapsed = performance.now() - this.#windowStart
    this.#timer ??= setTimeout(() => this.#release(), Math.max(0, WINDOW_MS - elapsed)).unref()
  }

  get #isFull(): boolean {
    return this.#heldCount > this.#options.maxPerSecond || this.#heldBytes > MAX_HELD_BYTES
  }

  get #heldCount(): number {
    return this.#held.length - this.#keptCount
  }

  #leaveOutOldest(): void {
    const index = this.#held.findIndex((item) => !this.#isKept(item))
    const [oldest] = index === -1 ? [] : this.#held.splice(index, 1)
    if (oldest === undefined) return
    this.#heldBytes -= this.#options.bytesOf(oldest)
    this.#dropped++
  }

  /** Lets everything through that is held back. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#release()
  }

  #release(): void {
    this.#timer = undefined
    this.#windowStart = performance.now()
    this.#passed = 0
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    this.#keptCount = 0
    for (const item of held) this.#pass(item)
  }
}
