import { setTimeout as sleep } from 'node:timers/promises'
import { payloadOf, topicOf } from '../publish/sample.ts'
import type { SocketPublisher } from '../publish/socket-publisher.ts'

const TICK_MS = 1

/**
 * Publishes evenly at a rate, and waits for no answer before it sends the next: where the server falls behind,
 * latency shows it. Answers go to whoever measures at the time.
 */
export class SteadyLoad implements AsyncDisposable {
  readonly #publishers: readonly SocketPublisher[]
  readonly #perSecond: number
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #latencies: number[] = []

  constructor(publishers: readonly SocketPublisher[], perSecond: number) {
    this.#publishers = publishers
    this.#perSecond = perSecond
    this.#running = this.#run()
  }

  /** The milliseconds from sending to answer of what is answered while something lasts. */
  async during(work: Promise<unknown>): Promise<readonly number[]> {
    const latencies: number[] = []
    this.#latencies = latencies
    await Promise.race([work, this.#running])
    this.#latencies = []
    return latencies
  }

  /** Rejects where a publish failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const start = performance.now()
    const inFlight = new Set<Promise<void>>()
    for (let sent = 0; !this.#stop.signal.aborted; ) {
      const due = ((performance.now() - start) * this.#perSecond) / 1_000
      for (; sent < due; sent++) {
        const publishing = this.#publish(sent)
        inFlight.add(publishing)
        publishing.then(
          () => inFlight.delete(publishing),
          () => this.#stop.abort(), // told by the end
        )
      }
      await sleep(TICK_MS)
    }
    await Promise.all(inFlight)
  }

  async #publish(number: number): Promise<void> {
    const publisher = this.#publishers[number % this.#publishers.length]
    if (publisher === undefined) throw new Error('There is no publisher.')
    const start = performance.now()
    const idempotencyKey = `load-${number}`
    await publisher.publish({ topic: topicOf(number), payload: payloadOf(number), idempotencyKey })
    this.#latencies.push(performance.now() - start)
  }
}
