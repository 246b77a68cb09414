import { CarillonError } from '../protocol/errors.ts'

/**
 * The text of a request's body.
 * @throws CarillonError PAYLOAD_TOO_LARGE where it is longer than `maxBytes`, without reading on
 */
export async function readBody(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get('content-length')) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function tooLarge(maxBytes: number): CarillonError {
  return new CarillonError('PAYLOAD_TOO_LARGE', `The request is larger than ${maxBytes} bytes.`)
}
