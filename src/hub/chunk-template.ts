import { headerSize, writeHeader } from './frame.ts'

/** A text in its parts: what is in front of the body is the receiver's own. */
export interface Part {
  readonly prefix: Buffer
  readonly body: Buffer
  readonly suffix: Buffer
}

/**
 * Frames for several texts that go to many together, one receiver after the other: as long as the bodies are the
 * same, only what stands in front of them is written anew.
 */
export class ChunkTemplate {
  #chunk: Buffer | undefined
  #parts: Omit<Part, 'prefix'>[] = []
  #prefixBytes: number[] = []
  /** Where the prefixes stand. */
  #starts: number[] = []

  /** The frames of these texts, one behind the other. They are valid until the next call. */
  chunk(parts: readonly Part[]): Buffer {
    const chunk = this.#fits(parts) ?? this.#build(parts)
    for (let n = 0; n < parts.length; n++) {
      const part = parts[n]
      if (part !== undefined) chunk.set(part.prefix, this.#starts[n])
    }
    return chunk
  }

  /** Somebody still looks at the last chunk: the next one is another. */
  giveAway(): void {
    this.#chunk = undefined
  }

  #fits(parts: readonly Part[]): Buffer | undefined {
    if (this.#chunk === undefined || parts.length !== this.#parts.length) return undefined
    for (let n = 0; n < parts.length; n++) {
      const [part, own] = [parts[n], this.#parts[n]]
      const isSame = part?.body === own?.body && part?.suffix === own?.suffix
      if (!isSame || part?.prefix.length !== this.#prefixBytes[n]) return undefined
    }
    return this.#chunk
  }

  #build(parts: readonly Part[]): Buffer {
    const bytes = parts.map(bytesOf)
    const size = bytes.reduce((sum, payload) => sum + headerSize(payload) + payload, 0)
    const chunk = Buffer.allocUnsafe(size)
    this.#starts = []
    let offset = 0
    for (const [n, { prefix, body, suffix }] of parts.entries()) {
      offset = writeHeader(chunk, offset, bytes[n] ?? 0)
      this.#starts.push(offset)
      offset += prefix.length
      chunk.set(body, offset)
      offset += body.length
      chunk.set(suffix, offset)
      offset += suffix.length
    }
    this.#parts = parts.map(({ body, suffix }) => ({ body, suffix }))
    this.#prefixBytes = parts.map(({ prefix }) => prefix.length)
    this.#chunk = chunk
    return chunk
  }
}

function bytesOf({ prefix, body, suffix }: Part): number {
  return prefix.length + body.length + suffix.length
}
