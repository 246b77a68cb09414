import { type Deferred, defer } from './deferred.ts'
import type { Message } from './message.ts'

const DONE = { done: true, value: undefined } as const

/** A loop over messages. A message counts as handled when the loop asks for the next one. */
export class MessageStream<T> implements AsyncIterableIterator<Message<T>, undefined> {
  readonly #waiting: Deferred<IteratorResult<Message<T>, undefined>>[] = []
  readonly #onReturn: () => void
  #offered: Message<T> | undefined
  #handled: Deferred<void> | undefined
  #error: unknown
  #isOver = false

  /** @param onReturn who loops wants no more */
  constructor(onReturn: () => void) {
    this.#onReturn = onReturn
  }

  /** Resolves when it has been handled. One at a time. */
  offer(message: Message<T>): Promise<void> {
    this.#handled = defer()
    const waiting = this.#waiting.shift()
    if (waiting) waiting.resolve({ value: message })
    else this.#offered = message
    return this.#handled.promise
  }

  /** There are no more; for a reason, which who loops is told. */
  end(error?: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#error = error
    for (const waiting of this.#waiting.splice(0)) this.#finish(waiting)
  }

  next(): Promise<IteratorResult<Message<T>, undefined>> {
    const next = defer<IteratorResult<Message<T>, undefined>>()
    const offered = this.#offered
    this.#offered = undefined
    if (offered) next.resolve({ value: offered })
    else {
      if (this.#isOver) this.#finish(next)
      else this.#waiting.push(next)
      this.#handled?.resolve()
    }
    return next.promise
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#offered = undefined
    this.end()
    this.#onReturn()
    return DONE
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #finish(waiting: Deferred<IteratorResult<Message<T>, undefined>>): void {
    const error = this.#error
    this.#error = undefined // told once
    if (error === undefined) waiting.resolve(DONE)
    else waiting.reject(error)
  }
}
