/** Outside of browsers there is nothing of it. */
interface Page {
  readonly location?: { readonly href: string }
}

/**
 * The address of the WebSocket.
 * @throws TypeError where it is no address
 */
export function socketUrl(url: string): string {
  return new URL(url, (globalThis as Page).location?.href).href.replace(/^http/, 'ws')
}
