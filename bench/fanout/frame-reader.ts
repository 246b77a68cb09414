/** Opcodes of https://www.rfc-editor.org/rfc/rfc6455#section-5.2 */
export const OPCODES = { text: 1, close: 8, ping: 9, pong: 10 } as const

export interface FrameReaderOptions {
  /** Keeps what has come of a frame until the rest has, so that each is at hand. Default false: it costs a copy. */
  readonly whole?: boolean
}

/** A frame; its bytes are at hand only where it came within one chunk, or the reader was told to see to it. */
export interface FrameListener {
  onFrame(opcode: number, bytes: number): void
  onWholeFrame(opcode: number, buffer: Buffer, start: number, end: number): void
}

/**
 * Counts the frames of a server without looking into them: thousands of clients have to cost less
 * than the server they load. A server's frames are not masked.
 */
export class FrameReader {
  readonly #listener: FrameListener
  readonly #isWhole: boolean
  /** Bytes of a header that was cut in two, or of a frame that is to be whole. */
  #rest: Buffer | undefined
  /** Bytes of the current frame that are still to come. */
  #missing = 0
  #opcode = 0
  #bytes = 0

  constructor(listener: FrameListener, { whole = false }: FrameReaderOptions = {}) {
    this.#listener = listener
    this.#isWhole = whole
  }

  /** `chunk` is not kept: its memory may be used again. */
  read(chunk: Buffer, length: number): void {
    const { buffer, end } = this.#joined(chunk, length)
    let at = this.#skip(end)
    while (at < end) {
      const start = at + headerBytes(buffer, at, end)
      if (start > end) {
        this.#rest = Buffer.from(buffer.subarray(at, end))
        return
      }
      at = this.#frame(buffer, { at, start, end })
    }
  }

  #joined(chunk: Buffer, length: number): { readonly buffer: Buffer; readonly end: number } {
    if (this.#rest === undefined) return { buffer: chunk, end: length }
    const buffer = Buffer.concat([this.#rest, chunk.subarray(0, length)])
    this.#rest = undefined
    return { buffer, end: buffer.length }
  }

  /** Passes over what is still to come of a frame, and says where the next one begins. */
  #skip(end: number): number {
    if (this.#missing === 0) return 0
    const skipped = Math.min(this.#missing, end)
    this.#missing -= skipped
    if (this.#missing === 0) this.#listener.onFrame(this.#opcode, this.#bytes)
    return skipped
  }

  #frame(buffer: Buffer, { at, start, end }: Record<'at' | 'start' | 'end', number>): number {
    const opcode = (buffer[at] ?? 0) & 0x0f
    const bytes = payloadBytes(buffer, at)
    const next = start + bytes
    if (next <= end) {
      this.#listener.onWholeFrame(opcode, buffer, start, next)
      this.#listener.onFrame(opcode, bytes)
      return next
    }
    if (this.#isWhole) {
      this.#rest = Buffer.from(buffer.subarray(at, end))
      return end
    }
    this.#opcode = opcode
    this.#bytes = bytes
    this.#missing = next - end
    return end
  }
}

/** More than there are bytes where the header is cut. */
function headerBytes(buffer: Buffer, at: number, end: number): number {
  if (at + 2 > end) return Number.POSITIVE_INFINITY
  const code = buffer[at + 1] ?? 0
  if (code < 126) return 2
  return code === 126 ? 4 : 10
}

function payloadBytes(buffer: Buffer, at: number): number {
  const code = buffer[at + 1] ?? 0
  if (code < 126) return code
  return code === 126 ? buffer.readUInt16BE(at + 2) : Number(buffer.readBigUInt64BE(at + 2))
}

/** A client's frame of up to 65,535 bytes, masked with zeros, which leave it as it is. */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const long = payload.length > 125
  const header = Buffer.alloc(long ? 8 : 6)
  header[0] = 0x80 | opcode
  header[1] = 0x80 | (long ? 126 : payload.length)
  if (long) header.writeUInt16BE(payload.length, 2)
  return Buffer.concat([header, payload])
}

export function textFrame(message: object): Buffer {
  return clientFrame(OPCODES.text, Buffer.from(JSON.stringify(message)))
}
