import { type Remote, startRemote } from './channel.ts'
import type { Endpoint } from './client.ts'
import { untilLive } from './live.ts'
import type { LoadCommands } from './load.ts'
import type { PeerSettings } from './peers/peer.ts'
import type { Rate, RateOutcome, ServerCommands, Batch as TopicBatch } from './server.ts'

const GROUP = 'subscribers'

let scenes = 0

/** What is published in one tick. */
type Batch = Omit<TopicBatch, 'topic'>

export interface Audience {
  readonly clients: number
  readonly sets?: number
}

/** A server under test and the load generator, each in a process of its own. */
export class Scene implements AsyncDisposable {
  readonly server: Remote<ServerCommands>
  readonly load: Remote<LoadCommands>
  readonly endpoint: Endpoint
  /** A topic that nobody used before. */
  readonly topic = `bench:${process.pid}:${scenes++}`
  #clients = 0

  private constructor(
    server: Remote<ServerCommands>,
    load: Remote<LoadCommands>,
    endpoint: Endpoint,
  ) {
    this.server = server
    this.load = load
    this.endpoint = endpoint
  }

  static async open(settings: PeerSettings): Promise<Scene> {
    const server = startRemote<ServerCommands>('./server.ts')
    const load = startRemote<LoadCommands>('./load.ts')
    try {
      return new Scene(server, load, await server.ask('open', settings))
    } catch (error) {
      await Promise.all([server[Symbol.asyncDispose](), load[Symbol.asyncDispose]()])
      throw error
    }
  }

  /** Resolves once every client gets the messages of the topic. */
  async subscribe({ clients, sets = 1 }: Audience): Promise<void> {
    const { endpoint, topic } = this
    this.#clients = clients
    await this.load.ask('connect', { group: GROUP, ...endpoint, topic, clients, sets })
    await this.load.ask('restart', { latency: false })
    const probe = () => this.publish({ count: 1, textLength: 0 })
    await untilLive(probe, () => this.received())
  }

  publish(batch: Batch, topic = this.topic): Promise<void> {
    return this.server.ask('publish', { topic, ...batch })
  }

  /** Publishes tick after tick, each once every client has got all of the one before. */
  async deliver(batch: Batch, { ms }: { readonly ms: number }): Promise<number> {
    await this.load.ask('restart', { latency: false })
    const until = performance.now() + ms
    let messages = 0
    do {
      messages += batch.count
      const expected = { group: GROUP, frames: messages * this.#clients }
      await Promise.all([this.publish(batch), this.load.ask('untilFrames', expected)])
    } while (performance.now() < until)
    return messages
  }

  /** The text that makes a frame that long, found by a message without any. */
  async textLengthFor(frameBytes: number): Promise<number> {
    await this.deliver({ count: 1, textLength: 0 }, { ms: 0 })
    const { bytes, frames } = await this.received()
    return Math.max(0, Math.round(frameBytes - bytes / frames))
  }

  received() {
    return this.load.ask('received', { group: GROUP })
  }

  publishAtRate(rate: Omit<Rate, 'topic'>): Promise<RateOutcome> {
    return this.server.ask('publishAtRate', { topic: this.topic, ...rate })
  }

  latencies() {
    return this.load.ask('latencies', { group: GROUP })
  }

  pause(clients: number): Promise<void> {
    return this.load.ask('pause', { group: GROUP, clients })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.server[Symbol.asyncDispose](), this.load[Symbol.asyncDispose]()])
  }
}
