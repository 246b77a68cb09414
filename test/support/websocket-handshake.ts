import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'

/** A close frame: FIN and opcode 8, then the length of a code and a reason. RFC 6455, section 5.5.1. */
const CLOSE_FRAME = 0x88

/** How a server closed a socket right after its handshake. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

/**
 * Opens a WebSocket that offers a subprotocol and reads the close frame that answers it. By hand:
 * clients give up by themselves where a server picks none of what they offer.
 */
export async function closedAfterHandshake(socketUrl: string, protocol: string): Promise<Closed> {
  const upgrade = request(socketUrl.replace(/^ws/, 'http'), {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      'sec-websocket-protocol': protocol,
    },
  })
  upgrade.end()
  const [, socket, head] = (await once(upgrade, 'upgrade')) as [IncomingMessage, Socket, Buffer]
  try {
    return await readClose(socket, head)
  } finally {
    socket.destroy()
  }
}

async function readClose(socket: Socket, head: Buffer): Promise<Closed> {
  let bytes = head
  while (!isWhole(bytes)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    bytes = Buffer.concat([bytes, chunk])
  }
  if (bytes[0] !== CLOSE_FRAME) throw new Error(`got a frame that begins with ${bytes[0]}`)
  return { code: bytes.readUInt16BE(2), reason: bytes.toString('utf8', 4) }
}

/** Frames of a server are not masked, and control frames carry at most 125 bytes. */
function isWhole(bytes: Buffer): boolean {
  return bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt8(1)
}
