import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** The network in front of one server, which may be bad. */
export interface Network extends AsyncDisposable {
  readonly port: number
  /** Breaks some of the connections. */
  cut(share: number): void
  /** Nothing goes through, either way, until `flow`. */
  stall(): void
  flow(): void
  /** What goes through from now on is lost, and nobody is told: the connections of now are half dead. */
  halfOpen(): void
}

interface Link {
  readonly client: Socket
  readonly server: Socket
  isDead: boolean
}

export async function openNetwork(target: number): Promise<Network> {
  const links = new Set<Link>()
  let isStalled = false

  const listener = createServer({ noDelay: true }, (client) => {
    const server = connect({ port: target, host: '127.0.0.1', noDelay: true })
    const link: Link = { client, server, isDead: false }
    links.add(link)
    join(link, client, server)
    join(link, server, client)
    if (isStalled) for (const socket of [client, server]) socket.pause()
  })

  function join(link: Link, from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (link.isDead) return
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => {
      if (!isStalled) from.resume()
    })
    from.on('error', () => {}) // it closes, and so does the other
    from.on('close', () => {
      if (link.isDead && from === link.server) return // the client is not told
      links.delete(link)
      to.destroy()
    })
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    port: (listener.address() as AddressInfo).port,
    cut(share) {
      const all = [...links]
      for (const { client, server } of all.slice(0, Math.ceil(all.length * share))) {
        client.resetAndDestroy()
        server.resetAndDestroy()
      }
    },
    stall() {
      isStalled = true
      for (const { client, server } of links) for (const one of [client, server]) one.pause()
    },
    flow() {
      isStalled = false
      for (const { client, server } of links) for (const one of [client, server]) one.resume()
    },
    halfOpen() {
      for (const link of links) link.isDead = true
    },
    async [Symbol.asyncDispose]() {
      for (const { client, server } of links) {
        client.destroy()
        server.destroy()
      }
      listener.close()
      await once(listener, 'close')
    },
  }
}
