import { CarillonError } from '../protocol/errors.ts'
import { type Intake, readingCost } from './intake.ts'

/** How much is read of a body, and in whose turns. */
export interface BodyBounds {
  readonly maxBytes: number
  readonly intake: Intake
  readonly source: string
}

/**
 * The text of a request's body.
 * @throws CarillonError PAYLOAD_TOO_LARGE where it is longer than `maxBytes`; INVALID_INPUT where its client breaks off
 */
export async function readBody(request: Request, bounds: BodyBounds): Promise<string> {
  const body = request.body?.[Symbol.asyncIterator]()
  if (body === undefined) return ''
  try {
    return await textOf(body, Number(request.headers.get('content-length')), bounds)
  } catch (error) {
    // Nobody is there to be told, and nobody has to look into it.
    if (request.signal.aborted) throw brokenOff()
    if (error instanceof CarillonError) void discard(body, bounds)
    throw error
  }
}

/** What a client is told that is no longer there. */
export function brokenOff(): CarillonError {
  return new CarillonError('INVALID_INPUT', 'The request broke off.')
}

type Body = AsyncIterator<Uint8Array>

async function textOf(body: Body, said: number, bounds: BodyBounds): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for (;;) {
    if (Math.max(said, bytes) > bounds.maxBytes) throw tooLarge(bounds.maxBytes)
    const { done, value } = await body.next()
    if (done === true) return Buffer.concat(chunks).toString('utf8')
    bytes += value.byteLength
    chunks.push(value)
    await pay(value.byteLength, bytes, bounds)
  }
}

/** Bytes of a body that are read without waiting for a turn: most bodies have no more. */
const FREE_BYTES = 64 * 1024

/** Waits for a turn after a chunk, where it is none of the first ones. */
async function pay(bytes: number, total: number, { intake, source }: BodyBounds): Promise<void> {
  intake.spend(readingCost(bytes))
  if (total > FREE_BYTES) await intake.next(source)
}

/** How long the rest of a body is read that is too long, in milliseconds. */
const DISCARD_MS = 2_000

/**
 * Reads the rest of a body, by turns: many clients look for an answer only once they have sent everything. Where that
 * takes long, the connection is cut.
 */
async function discard(body: Body, bounds: BodyBounds): Promise<void> {
  const until = performance.now() + DISCARD_MS
  let total = bounds.maxBytes
  try {
    while (performance.now() < until) {
      const { done, value } = await body.next()
      if (done === true) return
      total += value.byteLength
      await pay(value.byteLength, total, bounds)
    }
    await body.return?.()
  } catch {
    // Its client broke off: nobody waits for it.
  }
}

function tooLarge(maxBytes: number): CarillonError {
  const message = `The request is larger than ${maxBytes} bytes.`
  return new CarillonError('PAYLOAD_TOO_LARGE', message, { limit: 'bodyBytes' })
}
