import { parseCount } from './numbers.ts'
import { UsageError } from './usage-error.ts'

export const DEFAULT_URL = 'http://127.0.0.1:4000/graphql'

/** Somebody waits: it tries again sooner than clients that nobody looks at. In milliseconds. */
export const BACKOFF = { baseMs: 250, maxMs: 3_000 } as const

/** What every command that talks to a server takes. */
export const TARGET_OPTIONS = {
  url: { type: 'string' },
  token: { type: 'string' },
  user: { type: 'string' },
  timeout: { type: 'string', default: '10' },
} as const

export interface TargetValues {
  readonly url?: string | undefined
  readonly token?: string | undefined
  readonly user?: string | undefined
  readonly timeout: string
}

/** Which server a command talks to, and as whom. */
export interface Target {
  readonly url: string
  /** The same, as it may be shown: without a password, and without parameters, which may be secrets. */
  readonly address: string
  readonly token: string | undefined
  readonly userId: string | undefined
  /** How long the server may take until it is there and has answered, in milliseconds. */
  readonly timeoutMs: number
}

/** An empty variable counts as unset. @throws UsageError */
export function readTarget(
  { url, token, user, timeout }: TargetValues,
  { CARILLON_URL, CARILLON_TOKEN }: NodeJS.ProcessEnv,
): Target {
  const parsed = parseUrl(url ?? (CARILLON_URL || DEFAULT_URL))
  return {
    url: parsed.href,
    address: `${parsed.origin}${parsed.pathname}`,
    token: token ?? (CARILLON_TOKEN || undefined),
    userId: user,
    timeoutMs: parseCount('--timeout', timeout, MAX_TIMEOUT_SECONDS) * 1_000,
  }
}

const MAX_TIMEOUT_SECONDS = 86_400

/** An address without a path is that of the whole server, whose GraphQL is at /graphql. */
function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^(http|ws)s?:$/.test(url.protocol)) {
    throw new UsageError(
      `The URL has to be one such as ${DEFAULT_URL}, not ${JSON.stringify(text)}.`,
    )
  }
  if (url.pathname === '/') url.pathname = '/graphql'
  return url
}
