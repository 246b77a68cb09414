import { connect as connectPlainly, type Socket } from 'node:net'
import { connect as connectEncrypted, type TLSSocket } from 'node:tls'
import { AbstractConnector, type Cluster, type Redis, type RedisOptions } from 'ioredis'

/**
 * Connects a `Redis` to one node of a Cluster, and to another one whenever the connection is cut. Any node
 * does for pub/sub, which a Cluster broadcasts. The client sees an ordinary connection, whose ends show:
 * the subscriber of an ioredis `Cluster` moves from node to node without telling.
 */
export class ClusterConnector extends AbstractConnector {
  readonly #guide: Cluster
  readonly #tls: RedisOptions['tls']
  /** Nodes that could not be connected to, or were lost, since one was connected to. */
  readonly #tried = new Set<string>()
  #node: string | undefined
  #stopWaiting: () => void = () => {}

  /** @param guide knows the nodes of the Cluster; closed by its owner */
  constructor(guide: Cluster, { tls, disconnectTimeout = 2_000 }: RedisOptions) {
    super(disconnectTimeout)
    this.#guide = guide
    this.#tls = tls
    guide.on('refresh', () => this.#leaveFormerNode())
  }

  override async connect(): Promise<Socket | TLSSocket> {
    this.connecting = true
    const { host = 'localhost', port = 6_379 } = (await this.#nextNode()).options
    const node = `${host}:${port}`
    this.#tried.add(node)
    this.#node = node
    const stream = this.#tls
      ? connectEncrypted({ host, port, ...this.#tls })
      : connectPlainly({ host, port })
    stream.once('error', (error) => {
      this.firstError = error
    })
    stream.once('connect', () => {
      this.#tried.clear()
      this.#tried.add(node)
    })
    this.stream = stream
    return stream
  }

  override disconnect(): void {
    super.disconnect()
    this.#stopWaiting()
  }

  /** Where none of the known nodes can be connected to, all may have moved: the guide starts anew. */
  async #nextNode(): Promise<Redis> {
    while (this.connecting) {
      if (this.#guide.status === 'ready') {
        const node = sample(this.#guide.nodes().filter((one) => !this.#tried.has(keyOf(one))))
        if (node !== undefined) return node
        this.#tried.clear()
        this.#guide.disconnect(true)
      }
      await this.#guideIsReady()
    }
    throw new Error('The connection to Redis was closed while it was made.')
  }

  /** Or the connection is no longer wanted. */
  #guideIsReady(): Promise<void> {
    return new Promise((resolve) => {
      this.#guide.once('ready', resolve)
      this.#stopWaiting = resolve
    })
  }

  /** A node that was taken out of the Cluster still answers, but gets no messages of the others. */
  #leaveFormerNode(): void {
    const { stream } = this
    const nodes = this.#guide.nodes().map(keyOf)
    if (stream === undefined || stream.destroyed || nodes.length === 0) return
    if (!nodes.includes(this.#node ?? '')) stream.destroy()
  }
}

function keyOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`
}

function sample<T>(values: readonly T[]): T | undefined {
  return values[Math.floor(Math.random() * values.length)]
}
