import { headerSize, writeHeader } from './frame.ts'

/**
 * A frame for one text that goes to many, one after the other: only what stands in front of the body is
 * written anew for each. That spares an allocation and a copy for each of them.
 */
export class FrameTemplate {
  #frame: Buffer | undefined
  #body: Buffer | undefined
  #suffix: Buffer | undefined
  #prefixBytes = 0
  #start = 0

  /** The frame of these parts. It is valid until the next call. */
  frame(prefix: Buffer, body: Buffer, suffix: Buffer): Buffer {
    const frame = this.#fits(prefix, body, suffix) ?? this.#build(prefix, body, suffix)
    frame.set(prefix, this.#start)
    return frame
  }

  /** Somebody still looks at the last frame: the next one is another. */
  giveAway(): void {
    this.#frame = undefined
  }

  #fits(prefix: Buffer, body: Buffer, suffix: Buffer): Buffer | undefined {
    const isSame = body === this.#body && suffix === this.#suffix
    return isSame && prefix.length === this.#prefixBytes ? this.#frame : undefined
  }

  #build(prefix: Buffer, body: Buffer, suffix: Buffer): Buffer {
    const bytes = prefix.length + body.length + suffix.length
    const frame = Buffer.allocUnsafe(headerSize(bytes) + bytes)
    this.#start = writeHeader(frame, 0, bytes)
    frame.set(body, this.#start + prefix.length)
    frame.set(suffix, this.#start + prefix.length + body.length)
    this.#frame = frame
    this.#body = body
    this.#suffix = suffix
    this.#prefixBytes = prefix.length
    return frame
  }
}
