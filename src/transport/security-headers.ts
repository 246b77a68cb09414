import type { Plugin } from 'graphql-yoga'
import type { Arrival } from '../access/arrivals.ts'
import { hostnameOf, isLoopbackHost } from '../access/hosts.ts'

/** A year, which is what lists of browsers ask for: https://hstspreload.org/#submission-requirements */
const STRICT_TRANSPORT = 'max-age=31536000'

/**
 * What tells browsers to make nothing of an answer but what it is.
 * @param policy what a page may load; default nothing
 */
export function securityHeaders(policy = "default-src 'none'"): Readonly<Record<string, string>> {
  return {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'x-frame-options': 'DENY',
    'content-security-policy': `${policy}; frame-ancestors 'none'`,
  }
}

/** Puts the headers on every answer; one that brings some of its own keeps them. */
export function secureAnswers(
  arrivalOf: (request: Request, context: object) => Arrival,
  isPrivate: (url: URL) => boolean,
): Plugin {
  return {
    onResponse({ request, response, serverContext }) {
      const { headers } = response
      headers.delete('connection') // of streams: whether it stays open is between Node and the client
      for (const [name, value] of Object.entries(securityHeaders())) {
        if (!headers.has(name)) headers.set(name, value)
      }
      const isPage = headers.get('content-type')?.startsWith('text/html') === true
      if (!isPage && isPrivate(new URL(request.url))) headers.set('cache-control', 'no-store')
      if (isStrict(arrivalOf(request, serverContext))) {
        headers.set('strict-transport-security', STRICT_TRANSPORT)
      }
    },
  }
}

/** On this machine it would lock every other page of `localhost`, at any port, into TLS. */
function isStrict({ isSecure, host }: Arrival): boolean {
  return isSecure && !isLoopbackHost(hostnameOf(host ?? '') ?? '')
}
