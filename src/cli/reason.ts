import { UpgradeRefused } from './sockets.ts'

/** Why there is no connection, in words for people: what lies at the bottom, as `connect ECONNREFUSED 127.0.0.1:4000`. */
export function reasonText(error: unknown): string {
  if (isSilentClose(error)) return 'it was cut'
  const root = rootOf(error)
  if (!(root instanceof Error)) return 'it was cut'
  const text = root.message || ('code' in root ? String(root.code) : root.name)
  return text.replace(/\.$/, '')
}

/** Whether an error is about a socket that was closed without a word. */
function isSilentClose(error: unknown): boolean {
  const event = error instanceof Error ? error.cause : error
  return typeof event === 'object' && event !== null && 'reason' in event && event.reason === ''
}

/** The answer of the server to the request for a WebSocket, where it would be the same the next time. */
export function finalRefusal(error: unknown): UpgradeRefused | undefined {
  const root = rootOf(error)
  if (!(root instanceof UpgradeRefused)) return undefined
  return root.status >= 400 && root.status < 500 && !PASSING.includes(root.status)
    ? root
    : undefined
}

/** Too slow, too early, too often. */
const PASSING = [408, 425, 429]

/** Errors of sockets come in events, and those of names with several addresses in lists. */
function rootOf(error: unknown): unknown {
  if (error instanceof AggregateError) return rootOf(error.errors[0])
  if (!(error instanceof Error)) return isErrorEvent(error) ? rootOf(error.error) : error
  const inner = error.cause === undefined ? undefined : rootOf(error.cause)
  return inner instanceof Error ? inner : error
}

function isErrorEvent(value: unknown): value is { readonly error: unknown } {
  return typeof value === 'object' && value !== null && 'error' in value
}
