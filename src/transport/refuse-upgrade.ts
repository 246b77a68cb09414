import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Refusal } from './refusal.ts'

/** Answers an upgrade with a refusal. Node has taken its own listeners off the socket by now. */
export function refuseUpgrade(socket: Duplex, { status, headers, body }: Refusal): void {
  socket.on('error', () => socket.destroy()) // the client is gone: nobody to tell
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
