import { formatError } from '../graphql/errors.ts'
import { type CarillonError, ERRORS } from '../protocol/errors.ts'
import { securityHeaders } from './security-headers.ts'

/** The answer to a request that is not let in, or for which there is nothing. */
export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Tells an error of the catalogue as GraphQL does, with the status of its code. */
export function refusalOf(error: CarillonError): Refusal {
  const told = formatError(error, () => undefined)
  const seconds = Math.ceil((error.retryAfterMs ?? 0) / 1_000)
  return {
    status: ERRORS[error.code].status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      ...securityHeaders(),
      ...(seconds > 0 ? { 'retry-after': String(seconds) } : {}),
    },
    body: JSON.stringify({ errors: [told.toJSON()] }),
  }
}

export function textRefusal(status: number, text: string): Refusal {
  const headers = { 'content-type': 'text/plain; charset=utf-8', ...securityHeaders() }
  return { status, headers, body: `${text}\n` }
}

export function responseOf({ status, headers, body }: Refusal): Response {
  return new Response(body, { status, headers })
}
