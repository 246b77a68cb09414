import { setTimeout as delay } from 'node:timers/promises'
import { execute } from './api.ts'
import type { Acknowledged } from './history.ts'
import type { Random } from './random.ts'

export interface PublisherOptions {
  readonly name: string
  readonly topics: readonly string[]
  readonly ports: readonly number[]
  readonly random: Random
  /** The pause between two publishes, in milliseconds. */
  readonly pauseMs: number
  /** From then on it tries nothing again. */
  readonly signal?: AbortSignal
}

const PUBLISH = `mutation ($input: PublishInput!) {
  publish(input: $input) { message { id topic sequence payload } }
}`

interface Answer {
  readonly publish: { readonly message: Omit<Acknowledged, 'publisher' | 'idempotencyKey'> }
}

/** Publishes one message after the other, each until it is acknowledged by some instance. */
export class Publisher {
  readonly acknowledged: Acknowledged[] = []
  /** Attempts that got no answer, or an error. */
  failures = 0
  readonly #options: PublisherOptions
  #isStopped = false
  #count = 0

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** Until `stop`; then the message that is under way is finished. */
  async run(): Promise<void> {
    const { random, topics, pauseMs, signal } = this.#options
    this.#isStopped = false
    while (!this.#isStopped && signal?.aborted !== true) {
      await this.publish(random.oneOf(topics))
      await delay(random.between(0, 2 * pauseMs))
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  async publish(topic: string): Promise<void> {
    const { name, random } = this.#options
    const idempotencyKey = `${name}-${++this.#count}`
    const input = { topic, payload: idempotencyKey, idempotencyKey }
    await this.#attempt(input)
    // Now and then a client cannot know whether its first attempt has arrived, and tries again.
    if (random.next() < 0.05) await this.#attempt(input)
  }

  async #attempt(input: { readonly idempotencyKey: string }): Promise<void> {
    const { name, ports, random, signal } = this.#options
    while (signal?.aborted !== true) {
      try {
        const { publish } = await execute<Answer>(random.oneOf(ports), PUBLISH, { input })
        const { idempotencyKey } = input
        this.acknowledged.push({ ...publish.message, publisher: name, idempotencyKey })
        return
      } catch {
        this.failures++
        await delay(random.between(50, 200))
      }
    }
  }
}
