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

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#run())
  }

  #run(): void {
    const topics = this.#topics
    this.#topics = new Set()
    this.#flush(topics)
    const outboxes = this.#outboxes
    this.#outboxes = new Set()
    this.#isScheduled = false
    if (this.#topics.size > 0) this.#schedule() // a rendering may publish
    this.#flush(outboxes)
  }

  /** A fault of one harms no other. */
  #flush(all: Set<Flushable>): void {
    for (const one of all) {
      try {
        one.flush()
      } catch (error) {
        this.#onFault(error)
      }
    }
  }
}
