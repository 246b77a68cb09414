import type { Duplex } from 'node:stream'

/** Answers an upgrade with a status. Node has taken its own listeners off the socket by now. */
export function refuseUpgrade(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy()) // the client is gone: nobody to tell
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
  socket.end(head, () => socket.destroy())
}
