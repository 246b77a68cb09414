import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'

/** Stands between clients and a server, and loses what the server answers when told so. */
export interface SwallowingProxy extends AsyncDisposable {
  readonly port: number
  /** From now on nothing that the server says reaches anyone; resolves with the first of it. */
  swallow(): Promise<Buffer>
}

/** @param port of the server, on this machine */
export async function startSwallowingProxy(port: number): Promise<SwallowingProxy> {
  const sockets = new Set<Socket>()
  let onSwallowed: ((bytes: Buffer) => void) | undefined

  const proxy = createServer((client) => {
    const server = dial({ host: '127.0.0.1', port })
    client.on('data', (bytes) => server.write(bytes))
    server.on('data', (bytes) => {
      if (onSwallowed === undefined) client.write(bytes)
      else onSwallowed(bytes)
    })
    for (const [socket, peer] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => peer.destroy()) // each end may break the connection
      socket.on('close', () => {
        sockets.delete(socket)
        peer.destroy()
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')

  return {
    port: (proxy.address() as AddressInfo).port,
    swallow() {
      return new Promise((resolve) => {
        onSwallowed = resolve
      })
    },
    async [Symbol.asyncDispose]() {
      const closed = once(proxy, 'close')
      proxy.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
