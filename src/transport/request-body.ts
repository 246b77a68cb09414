import { CarillonError } from '../protocol/errors.ts'

/**
 * The text of a request's body.
 * @throws CarillonError PAYLOAD_TOO_LARGE where it is longer than `maxBytes`, without reading on; INVALID_INPUT
 * where its client breaks off
 */
export async function readBody(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get('content-length')) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      chunks.push(chunk)
    }
  } catch (error) {
    // Nobody is there to be told, and nobody has to look into it.
    if (request.signal.aborted) throw new CarillonError('INVALID_INPUT', 'The request broke off.')
    throw error
  }
  return Buffer.concat(chunks).toString('utf8')
}

function tooLarge(maxBytes: number): CarillonError {
  const message = `The request is larger than ${maxBytes} bytes.`
  return new CarillonError('PAYLOAD_TOO_LARGE', message, { limit: 'bodyBytes' })
}
