/** What has something to do at the end of a tick. */
export interface Flushable {
  flush(): void
}

/**
 * Gathers what happens in one turn of the event loop: topics hand on all that has arrived for them,
 * then sockets write all that they have got. Messages that arrive together leave together.
 */
export class Tick {
  readonly #onFault: (error: unknown) => void
  #topics = new Set<Flushable>()
  #outboxes = new Set<Flushable>()
  #isScheduled = false
  /** While the last of the topics hands on. */
  #isAtLastTopic = false
  #isEnding = false

  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault
  }

  deliver(topic: Flushable): void {
    this.#topics.add(topic)
    this.#schedule()
  }

  write(outbox: Flushable): void {
    this.#outboxes.add(outbox)
    this.#schedule()
  }

  /**
   * Whether sockets get nothing after what they get now: it may leave at once, which spares a second
   * walk over all of them.
   */
  get isEnding(): boolean {
    return this.#isEnding
  }

  /** Hands on the newest message that a topic has. */
  handOnNewest(handOn: () => void): void {
    this.#isEnding = this.#isAtLastTopic
    try {
      handOn()
    } finally {
      this.#isEnding = false
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#run())
  }

  #run(): void {
    const topics = this.#topics
    this.#topics = new Set()
    this.#handOn(topics)
    const outboxes = this.#outboxes
    this.#outboxes = new Set()
    this.#isScheduled = false
    if (this.#topics.size > 0) this.#schedule() // a rendering may publish
    for (const outbox of outboxes) this.#flush(outbox)
  }

  #handOn(topics: ReadonlySet<Flushable>): void {
    let left = topics.size
    for (const topic of topics) {
      this.#isAtLastTopic = --left === 0
      this.#flush(topic)
    }
    this.#isAtLastTopic = false
  }

  /** A fault of one harms no other. */
  #flush(one: Flushable): void {
    try {
      one.flush()
    } catch (error) {
      this.#onFault(error)
    }
  }
}
