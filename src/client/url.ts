/**
 * The address of the WebSocket.
 * @throws TypeError where it is no address
 */
export function socketUrl(url: string): string {
  const { location } = globalThis as { location?: { readonly href: string } }
  return new URL(url, location?.href).href.replace(/^http/, 'ws')
}
