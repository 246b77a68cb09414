import type { Plugin } from 'graphql-yoga'
import type { Arrival } from '../access/arrivals.ts'
import type { Origins } from '../access/origins.ts'
import { CarillonError } from '../protocol/errors.ts'
import { refusalOf, responseOf } from './refusal.ts'

export interface CrossOriginParts {
  readonly origins: Origins
  readonly arrivalOf: (request: Request, context: object) => Arrival
  readonly path: string
  /** What pages may send besides what every page may. */
  readonly headers: readonly string[]
}

/**
 * Lets pages of the allowed origins use GraphQL and refuses others, so that what they ask for is not even carried
 * out: https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function crossOrigin({ origins, arrivalOf, path, headers }: CrossOriginParts): Plugin {
  return {
    onRequest({ request, url, serverContext, endResponse }) {
      if (url.pathname !== path) return
      const origin = request.headers.get('origin')
      if (!origins.allows(origin, arrivalOf(request, serverContext))) {
        return endResponse(refuse('Pages of this origin may not use this server.'))
      }
      if (!origins.allowsAll && isForged(request)) {
        return endResponse(refuse('Pages of other sites may not use this server.'))
      }
      if (request.method === 'OPTIONS' && origin !== null) {
        endResponse(new Response(null, { status: 204 }))
      }
    },
    onResponse({ request, response, serverContext }) {
      const origin = request.headers.get('origin')
      if (new URL(request.url).pathname !== path) return
      response.headers.append('vary', 'origin')
      if (origin === null || !origins.allows(origin, arrivalOf(request, serverContext))) return
      response.headers.set('access-control-allow-origin', origin)
      if (request.method !== 'OPTIONS') return
      response.headers.set('access-control-allow-methods', 'GET, POST')
      response.headers.set('access-control-allow-headers', headers.join(', '))
      response.headers.set('access-control-max-age', '600')
    },
  }
}

/**
 * Whether a page of another site had the browser send this without saying where it comes from, as for an image or a
 * script. A link that someone follows is none: https://www.w3.org/TR/fetch-metadata/
 */
function isForged({ headers }: Request): boolean {
  if (headers.has('origin') || headers.get('sec-fetch-site') !== 'cross-site') return false
  return (
    headers.get('sec-fetch-mode') !== 'navigate' || headers.get('sec-fetch-dest') !== 'document'
  )
}

function refuse(message: string): Response {
  return responseOf(refusalOf(new CarillonError('PERMISSION_DENIED', message)))
}
