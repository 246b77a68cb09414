const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Whether pages of this origin may talk to the server: its own, and those of this machine, where
 * frontends are developed. Programs that are not browsers send no origin. That a page calls the
 * server by a name of its own, which it made to mean this machine, is not noticed.
 * @param origin the header `Origin`
 * @param host the header `Host`
 */
export function isAllowedOrigin(origin: string | null, host: string | null): boolean {
  if (origin === null) return true
  if (!URL.canParse(origin)) return false
  const page = new URL(origin)
  return page.host === host || LOOPBACK_HOSTS.has(page.hostname)
}
