/** A subscriber's queue: filled by publishing, emptied by an async iterator. */
class Queue<T> implements AsyncIterableIterator<T> {
  readonly #values: T[] = []
  readonly #onReturn: (queue: Queue<T>) => void
  #pending: ((result: IteratorResult<T>) => void) | undefined
  #closed = false

  constructor(onReturn: (queue: Queue<T>) => void) {
    this.#onReturn = onReturn
  }

  push(value: T): void {
    if (this.#pending === undefined) this.#values.push(value)
    else {
      this.#pending({ value, done: false })
      this.#pending = undefined
    }
  }

  next(): Promise<IteratorResult<T>> {
    const value = this.#values.shift()
    if (value !== undefined) return Promise.resolve({ value, done: false })
    if (this.#closed) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve) => {
      this.#pending = resolve
    })
  }

  return(): Promise<IteratorResult<T>> {
    this.#closed = true
    this.#onReturn(this)
    this.#pending?.({ value: undefined, done: true })
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** The publish/subscribe that one writes beside graphql-ws: each subscriber has a queue. */
export class TopicQueues<T> {
  readonly #topics = new Map<string, Set<Queue<T>>>()

  publish(topic: string, value: T): void {
    for (const queue of this.#topics.get(topic) ?? []) queue.push(value)
  }

  subscribe(topic: string): AsyncIterableIterator<T> {
    const queues = this.#topics.get(topic) ?? new Set()
    this.#topics.set(topic, queues)
    const queue = new Queue<T>(() => {
      queues.delete(queue)
      if (queues.size === 0 && this.#topics.get(topic) === queues) this.#topics.delete(topic)
    })
    queues.add(queue)
    return queue
  }
}
