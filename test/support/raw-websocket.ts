import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { openReceiver } from './frames.ts'

/** https://www.rfc-editor.org/rfc/rfc6455#section-5.2 */
export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A frame as it stands on the wire, right or wrong. */
export interface FrameParts {
  readonly opcode: number
  readonly payload?: Buffer | string
  /** Whether it is the last of its message. Default: yes. */
  readonly fin?: boolean
  /** As the frames of clients have to be. Default: yes. */
  readonly masked?: boolean
  /** The three reserved bits, 0 to 7. Default: none. */
  readonly reserved?: number
  /** The length that the header says. Default: that of the payload. */
  readonly claims?: number
}

export function frame({ opcode, payload = '', fin = true, masked = true, ...rest }: FrameParts) {
  const body = Buffer.from(payload)
  const { reserved = 0, claims = body.length } = rest
  const head = Buffer.alloc(headerBytes(claims) + (masked ? 4 : 0)) // masked with zeros: it stays as it is
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode
  const mask = masked ? 0x80 : 0
  if (claims <= 125) head[1] = mask | claims
  else if (claims <= 0xffff) {
    head[1] = mask | 126
    head.writeUInt16BE(claims, 2)
  } else {
    head[1] = mask | 127
    head.writeBigUInt64BE(BigInt(claims), 2)
  }
  return Buffer.concat([head, body])
}

function headerBytes(length: number): number {
  if (length <= 125) return 2
  return length <= 0xffff ? 4 : 10
}

export interface RawWebSocketEvents {
  onText?(text: string): void
  /** How it ended: `close 4400 Invalid message received`, `refused 503 Service Unavailable` or `cut`. */
  onEnd?(how: string): void
}

/** A WebSocket over a bare TCP socket, which sends whatever it is told to. */
export class RawWebSocket {
  readonly socket: Socket
  /** Resolves with how it ended. Never rejects. */
  readonly ended: Promise<string>
  readonly #events: RawWebSocketEvents
  #how = 'cut'
  #hasLeft = false

  private constructor(socket: Socket, events: RawWebSocketEvents) {
    this.socket = socket
    this.#events = events
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        if (!this.#hasLeft) events.onEnd?.(this.#how)
        resolve(this.#how)
      })
    })
  }

  /** Resolves once the server has taken it, or has refused it. */
  static async open(port: number, events: RawWebSocketEvents = {}): Promise<RawWebSocket> {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined) // that it ended is told by `close`
    const raw = new RawWebSocket(socket, events)
    socket.write(upgradeRequest(port))
    await Promise.race([raw.#upgraded(), raw.ended])
    return raw
  }

  get isOpen(): boolean {
    return !this.socket.destroyed
  }

  send(message: object): boolean {
    return this.write(frame({ opcode: OPCODES.text, payload: JSON.stringify(message) }))
  }

  /** Whether the socket takes more without keeping it waiting. */
  write(bytes: Buffer): boolean {
    return this.socket.writable && this.socket.write(bytes)
  }

  /** Resolves once what was written has gone, or the socket has. */
  async drained(): Promise<void> {
    if (!this.socket.writableNeedDrain || this.socket.destroyed) return
    await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), this.ended])
  }

  /** Leaves, without a word: no end that is told of. */
  destroy(): void {
    this.#hasLeft = true
    this.socket.destroy()
  }

  #upgraded(): Promise<void> {
    return new Promise((resolve) => {
      let head = ''
      const onData = (chunk: Buffer) => {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        this.socket.off('data', onData)
        if (head.startsWith('HTTP/1.1 101')) this.#read(Buffer.from(head.slice(end + 4), 'latin1'))
        else this.#how = `refused ${head.slice(9, head.indexOf('\r\n'))}`
        resolve()
      }
      this.socket.on('data', onData)
    })
  }

  #read(first: Buffer): void {
    const receiver = openReceiver()
    receiver.on('message', (data: Buffer) => this.#events.onText?.(String(data)))
    receiver.on('conclude', (code: number, reason: Buffer) => {
      this.#how = `close ${code} ${String(reason)}`.trim()
      this.socket.end(frame({ opcode: OPCODES.close }))
    })
    receiver.on('error', () => this.socket.destroy())
    if (first.length > 0) receiver.write(first)
    this.socket.on('data', (chunk: Buffer) => receiver.write(chunk))
  }
}

function upgradeRequest(port: number): string {
  const lines = [
    'GET /graphql HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Protocol: graphql-transport-ws',
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}
