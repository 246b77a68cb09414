import { CarillonError } from './error.ts'

/**
 * The address of the WebSocket.
 * @throws CarillonError INVALID_INPUT
 */
export function socketUrl(url: string): string {
  const { location } = globalThis as { location?: { readonly href: string } }
  try {
    const absolute = new URL(url, location?.href)
    absolute.protocol = absolute.protocol.replace(/^http/, 'ws')
    if (/^wss?:$/.test(absolute.protocol)) return absolute.href
  } catch (cause) {
    throw new CarillonError('INVALID_INPUT', `This is not an address: ${url}`, { cause })
  }
  throw new CarillonError('INVALID_INPUT', `This is not an address of http or ws: ${url}`)
}
