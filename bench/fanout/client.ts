import { randomBytes } from 'node:crypto'
import { createConnection, type Socket } from 'node:net'
import {
  clientFrame,
  type FrameListener,
  FrameReader,
  type FrameReaderOptions,
  OPCODES,
} from './frame-reader.ts'

export interface Endpoint {
  readonly port: number
  readonly path: string
}

/** Told of what a client gets; `buffer` is only valid during the call. */
export interface ClientEvents {
  /** A text frame, whole or not. */
  onText(client: Client, bytes: number): void
  /** Its contents, before `onText`, where it came in one piece. */
  onContent(client: Client, buffer: Buffer, start: number, end: number): void
  onLost(client: Client, reason: string): void
}

/** All clients read into the same memory, one after the other. */
const SHARED = Buffer.allocUnsafe(256 * 1024)
const HEAD_END = Buffer.from('\r\n\r\n')

/** A WebSocket client over a bare socket that does only what the load needs. */
export class Client implements FrameListener {
  readonly #events: ClientEvents
  readonly #socket: Socket
  readonly #frames: FrameReader
  #onOpen: (() => void) | undefined
  #head: Buffer | undefined = Buffer.alloc(0)

  constructor({ port, path }: Endpoint, events: ClientEvents, options: FrameReaderOptions = {}) {
    this.#events = events
    this.#frames = new FrameReader(this, options)
    const onread = {
      buffer: SHARED,
      callback: (bytes: number) => {
        this.#read(bytes)
        return true
      },
    }
    this.#socket = createConnection({ port, host: '127.0.0.1', noDelay: true, onread })
    this.#socket.on('error', (error) => events.onLost(this, error.message))
    this.#socket.on('close', () => events.onLost(this, 'the connection closed'))
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
        `Connection: Upgrade\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    )
  }

  /** Resolves when the server has taken the WebSocket. */
  opened(): Promise<void> {
    return new Promise((resolve) => {
      this.#onOpen = resolve
    })
  }

  send(frames: Buffer): void {
    this.#socket.write(frames)
  }

  /** Stops reading, as an application does that is stuck. */
  pause(): void {
    this.#socket.pause()
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  onWholeFrame(opcode: number, buffer: Buffer, start: number, end: number): void {
    if (opcode === OPCODES.text) this.#events.onContent(this, buffer, start, end)
    else if (opcode === OPCODES.ping) {
      this.send(clientFrame(OPCODES.pong, Buffer.from(buffer.subarray(start, end))))
    }
  }

  onFrame(opcode: number, bytes: number): void {
    if (opcode === OPCODES.text) this.#events.onText(this, bytes)
    else if (opcode === OPCODES.close) this.#events.onLost(this, 'the server closed it')
  }

  #read(bytes: number): void {
    if (this.#head === undefined) this.#frames.read(SHARED, bytes)
    else this.#readHead(Buffer.concat([this.#head, SHARED.subarray(0, bytes)]))
  }

  /** What follows the response's head in the same chunk are frames. */
  #readHead(head: Buffer): void {
    this.#head = head
    const end = head.indexOf(HEAD_END)
    if (end < 0) return
    this.#head = undefined
    if (!head.toString('latin1', 0, 12).endsWith('101')) {
      this.#events.onLost(this, head.toString('latin1', 0, end))
      return
    }
    this.#onOpen?.()
    const frames = head.subarray(end + HEAD_END.length)
    this.#frames.read(frames, frames.length)
  }
}
