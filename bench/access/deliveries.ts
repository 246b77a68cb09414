import { setTimeout as sleep } from 'node:timers/promises'
import { untilLive } from '../fanout/live.ts'
import { Subscribers } from '../fanout/subscribers.ts'
import { payloadOf } from '../publish/sample.ts'
import { connectPublisher, type SocketPublisher } from '../publish/socket-publisher.ts'
import { type Caller, topicOf } from './callers.ts'
import type { Subject } from './round.ts'

const PER_SECOND = 100
/** How long the last deliveries may take, in milliseconds. */
const PATIENCE_MS = 15_000

/** One who publishes to a topic, and those who have subscribed to it. */
export class Deliveries implements AsyncDisposable {
  readonly #topic = topicOf(0)
  readonly #publisher: SocketPublisher
  readonly #subscribers = new Subscribers()
  readonly #clients: number

  private constructor(publisher: SocketPublisher, clients: number) {
    this.#publisher = publisher
    this.#clients = clients
  }

  /** The first of the callers publishes, the others have subscribed once it resolves. */
  static async open(
    { origin }: Subject,
    [first, ...others]: readonly Caller[],
  ): Promise<Deliveries> {
    const publisher = await connectPublisher(origin, first?.connectionParams)
    const deliveries = new Deliveries(publisher, others.length)
    await deliveries.#subscribe(Number(new URL(origin).port), others)
    return deliveries
  }

  async #subscribe(port: number, callers: readonly Caller[]): Promise<void> {
    await this.#subscribers.connect({
      port,
      path: '/graphql',
      topic: this.#topic,
      clients: callers.length,
      sets: 1,
      connectionParams: callers.map(({ connectionParams }) => connectionParams),
    })
    this.#subscribers.restart({ latency: false })
    await untilLive(
      () => this.#publish(0),
      async () => this.#subscribers.received(),
    )
  }

  /** Publishes evenly until every client has got everything. Answers how many deliveries that were. */
  async during(ms: number): Promise<number> {
    this.#subscribers.restart({ latency: false })
    const messages = Math.ceil((ms * PER_SECOND) / 1_000)
    const publishing = Array.from({ length: messages }, async (_, number) => {
      await sleep((number * 1_000) / PER_SECOND)
      await this.#publish(number)
    })
    await Promise.all([...publishing, this.#untilDelivered(messages, ms + PATIENCE_MS)])
    const { frames, fewest, most } = this.#subscribers.received()
    if (fewest === messages && most === messages) return frames
    throw new Error(`${messages} messages were ${fewest} to ${most} frames.`)
  }

  async #untilDelivered(messages: number, ms: number): Promise<void> {
    const frames = messages * this.#clients
    const late = sleep(ms, undefined, { ref: false }).then(() => {
      throw new Error(`Of ${frames} deliveries ${this.#subscribers.received().frames} came.`)
    })
    await Promise.race([this.#subscribers.untilFrames(frames), late])
  }

  #publish(number: number): Promise<void> {
    return this.#publisher.publish({ topic: this.#topic, payload: payloadOf(number) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscribers.close()
    await this.#publisher[Symbol.asyncDispose]()
  }
}
