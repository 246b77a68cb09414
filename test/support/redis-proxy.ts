import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'
import { RespCommands } from './resp-commands.ts'

/** Stands between clients and a Redis server, and loses what the test says. */
export interface RedisProxy extends AsyncDisposable {
  /** Where clients connect to. */
  readonly url: string
  /**
   * Asked of every PUBLISH whether it gets lost: the channel, and the how-many-th of that channel it
   * is, from 1. Its client is told that nobody has received it, as where nobody subscribes.
   */
  dropPublish: (channel: string, n: number) => boolean
  /** How many were lost so far. */
  readonly dropped: number
}

/** What is sent in place of a lost message: answered like one, and so at its place in the order. */
const TO_NOBODY = Buffer.from('*3\r\n$7\r\nPUBLISH\r\n$6\r\nnobody\r\n$0\r\n\r\n')

export async function startRedisProxy(redisUrl: string): Promise<RedisProxy> {
  const { hostname, port } = new URL(redisUrl)
  const counts = new Map<string, number>()
  const sockets = new Set<Socket>()
  let dropped = 0

  function isDropped(channel: string): boolean {
    const n = (counts.get(channel) ?? 0) + 1
    counts.set(channel, n)
    if (!proxy.dropPublish(channel, n)) return false
    dropped++
    return true
  }

  const server = createServer((client) => {
    const redis = dial({ host: hostname, port: Number(port) })
    const commands = new RespCommands()
    client.on('data', (chunk) => {
      const onward = commands.push(chunk).map(({ bytes, name, key }) => {
        return name === 'PUBLISH' && isDropped(key) ? TO_NOBODY : bytes
      })
      if (onward.length > 0 && !redis.write(Buffer.concat(onward))) {
        client.pause()
        redis.once('drain', () => client.resume())
      }
    })
    redis.pipe(client)
    for (const [socket, peer] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => peer.destroy()) // each end may break the connection
      socket.on('close', () => {
        sockets.delete(socket)
        peer.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: own } = server.address() as AddressInfo

  const proxy: RedisProxy = {
    url: `redis://127.0.0.1:${own}`,
    dropPublish: () => false,
    get dropped() {
      return dropped
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
  return proxy
}
