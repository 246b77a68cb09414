import { decodeBase64url } from './base64url.ts'

/** The soonest that a token is renewed after it was got, in milliseconds. */
const MIN_WAIT_MS = 500

/** How long before it runs out a token that lives for long is renewed, in milliseconds. */
const MARGIN_MS = 30_000

/**
 * In how many milliseconds to renew a token, while it still holds. Undefined where it does not say when it runs out,
 * or has by the clock of this machine, which may be wrong: then the server decides.
 */
export function renewalInMs(token = ''): number | undefined {
  const left = expiryOf(token) - Date.now()
  return left > 0 ? Math.max(MIN_WAIT_MS, left - Math.min(left / 3, MARGIN_MS)) : undefined
}

/** When a JSON Web Token runs out, in milliseconds since 1970; NaN where it does not say, or is none. */
function expiryOf(token: string): number {
  const exp = /"exp":\s*([\d.]+)/.exec(decodeBase64url(token.split('.')[1] ?? ''))
  return Number(exp?.[1]) * 1_000
}
