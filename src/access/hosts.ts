import { isIPv4 } from 'node:net'

/** The host name in a `Host` header or in the authority of a URL, without its port; undefined where it is none. */
export function hostnameOf(host: string): string | undefined {
  const url = `http://${host}`
  if (!/^[^/\\?#@\s]+$/.test(host) || !URL.canParse(url)) return undefined
  return new URL(url).hostname
}

/**
 * Whether a name, as URLs write it, means this machine wherever it is looked up:
 * https://www.rfc-editor.org/rfc/rfc6761#section-6.3
 */
export function isLoopbackHost(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true
  return hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
}
