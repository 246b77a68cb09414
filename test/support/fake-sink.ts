import type { Sink } from '../../src/hub/outbox.ts'

/** A socket that takes what is written when the test says so; while it is fast, at once. */
export class FakeSink implements Sink {
  readonly writes: Buffer[] = []
  readonly #pending: { readonly bytes: number; readonly written: () => void }[] = []
  isFast = false

  get writableLength(): number {
    return this.#pending.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get bytes(): Buffer {
    return Buffer.concat(this.writes)
  }

  /** Copies what it takes at once, as the kernel does; the rest it still looks at later. */
  write(chunk: Buffer, written: () => void): boolean {
    this.writes.push(this.isFast ? Buffer.from(chunk) : chunk)
    if (this.isFast) process.nextTick(written)
    else this.#pending.push({ bytes: chunk.length, written })
    return this.isFast
  }

  /** The oldest write has gone out. */
  take(): void {
    this.#pending.shift()?.written()
  }
}
