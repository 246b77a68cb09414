import { startRemote } from './channel.ts'
import type { Endpoint } from './client.ts'
import { untilLive } from './live.ts'
import type { LoadCommands } from './load.ts'
import type { PeerSettings } from './peers/peer.ts'
import type { Rate, RateOutcome, ServerCommands } from './server.ts'
import type { Received } from './subscribers.ts'

let pairs = 0

/** Two instances over one Redis. Publishes at the first: its clients are local, the other's remote. */
export class Pair implements AsyncDisposable {
  readonly load = startRemote<LoadCommands>('./load.ts')
  readonly #local = startRemote<ServerCommands>('./server.ts')
  readonly #remote = startRemote<ServerCommands>('./server.ts')
  readonly #topic = `bench:${process.pid}:${1_000_000 + pairs++}`

  /** The one after the other: the first may migrate the database. */
  async open(settings: PeerSettings, clients: number): Promise<void> {
    await this.#connect('local', await this.#local.ask('open', settings), clients / 2)
    await this.#connect('remote', await this.#remote.ask('open', settings), clients / 2)
    await this.load.ask('restart', { latency: false })
    const probe = { topic: this.#topic, count: 1, textLength: 0 }
    await untilLive(
      () => this.#local.ask('publish', probe),
      () => this.received(),
    )
  }

  #connect(group: string, endpoint: Endpoint, clients: number): Promise<void> {
    return this.load.ask('connect', { group, ...endpoint, topic: this.#topic, clients, sets: 1 })
  }

  publishAtRate(rate: Omit<Rate, 'topic'>): Promise<RateOutcome> {
    return this.#local.ask('publishAtRate', { topic: this.#topic, ...rate })
  }

  async received(): Promise<Received> {
    const local = await this.load.ask('received', { group: 'local' })
    const remote = await this.load.ask('received', { group: 'remote' })
    return {
      frames: local.frames + remote.frames,
      bytes: local.bytes + remote.bytes,
      fewest: Math.min(local.fewest, remote.fewest),
      most: Math.max(local.most, remote.most),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all: readonly AsyncDisposable[] = [this.load, this.#local, this.#remote]
    await Promise.all(all.map((remote) => remote[Symbol.asyncDispose]()))
  }
}
