const DIGITS = 16
const MARK = Buffer.from('"at":"')
const ZERO = 0x30

/** Microseconds of the machine's monotonic clock, which its processes share. */
export function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

/** This instant as a message carries it. */
export function stamp(): string {
  return String(monotonicMicros()).padStart(DIGITS, '0')
}

/** The instant at which a frame's message was published, read without parsing its JSON. */
export function readStamp(buffer: Buffer, start: number): number {
  const at = buffer.indexOf(MARK, start) + MARK.length
  let micros = 0
  for (let index = at; index < at + DIGITS; index++) {
    micros = micros * 10 + ((buffer[index] ?? ZERO) - ZERO)
  }
  return micros
}
