import { randomUUID } from 'node:crypto'
import { GraphQLError, type GraphQLSchema } from 'graphql'
import {
  type CORSOptions,
  createYoga,
  type GraphQLParams,
  type Plugin,
  type YogaServerInstance,
} from 'graphql-yoga'
import { isAllowedOrigin } from '../access/origins.ts'
import { openViewer } from '../access/viewer.ts'
import type { GraphQLContext, Services } from '../graphql/context.ts'
import type { Documents } from '../graphql/documents.ts'
import { formatError, type ReportError, toGraphQLError } from '../graphql/errors.ts'
import { openResults } from '../graphql/live.ts'
import type { PresenceConnection } from '../presence/presence.ts'
import { CarillonError, ERRORS } from '../protocol/errors.ts'
import { graphiqlResponse, wantsGraphiql } from './graphiql.ts'
import { readBody } from './request-body.ts'

export const GRAPHQL_PATH = '/graphql'

/** The header in which a client names itself over HTTP. */
export const CLIENT_ID_HEADER = 'carillon-client-id'

/** The header in which a client says over HTTP which user it is, where everyone may say so. */
export const USER_ID_HEADER = 'carillon-user-id'

/** The longest body of a request, in bytes; the longest message of a WebSocket is the same. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024

export interface HttpParts {
  readonly schema: GraphQLSchema
  readonly documents: Documents
  readonly services: Services
  readonly report: ReportError
  readonly isShuttingDown: () => boolean
  /** What is counted, as a text, and of which type. */
  readonly metrics: { readonly contentType: string; text(): Promise<string> }
  /** Answers readiness: HTTP 200 where `ok`, else 503, with the body as JSON. */
  readonly readiness: () => Promise<{ readonly ok: boolean; readonly body: object }>
}

/** Everything over HTTP: GraphQL (POST, GET and server-sent events), GraphiQL and health. */
export type HttpHandler = YogaServerInstance<object, GraphQLContext>

export function createHttpHandler(parts: HttpParts): HttpHandler {
  const { schema, services, report } = parts
  return createYoga<object, GraphQLContext>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    graphiql: false,
    landingPage: false,
    // Yoga answers every URL that ends so: none does, and `routes` has the health checks.
    healthCheckEndpoint: '\n',
    parserAndValidationCache: false,
    logging: false,
    cors: crossOrigin,
    context: ({ request }) => ({
      viewer: viewerOf(request, parts),
      services,
      signal: request.signal,
      connection: requestConnection(),
    }),
    maskedErrors: { maskError: (error) => formatError(error, report) },
    multipart: false,
    plugins: [routes(parts), requestParameters(), preparedDocuments(parts), liveResults()],
  })
}

/** Over HTTP, the end of a connection is all that a client can say. */
function requestConnection(): PresenceConnection {
  return { id: randomUUID(), operationId: randomUUID(), isLost: () => true }
}

/** @throws GraphQLError, which refuses the request with the status of its code */
function viewerOf(request: Request, { isShuttingDown }: HttpParts) {
  try {
    if (isShuttingDown()) throw new CarillonError('SHUTTING_DOWN')
    return openViewer({
      userId: request.headers.get(USER_ID_HEADER),
      clientId: request.headers.get(CLIENT_ID_HEADER),
    })
  } catch (error) {
    throw error instanceof CarillonError ? refusal(error) : error
  }
}

/** An error that refuses the whole request with the status of its code. */
function refusal(error: CarillonError): unknown {
  const told = toGraphQLError(error)
  if (told instanceof GraphQLError) told.extensions.http = { status: ERRORS[error.code].status }
  return told
}

/** What a browser lets pages of other origins do: https://fetch.spec.whatwg.org/#http-cors-protocol */
function crossOrigin({ headers }: Request): CORSOptions {
  const origin = headers.get('origin')
  if (origin === null || !isAllowedOrigin(origin, headers.get('host'))) return false
  return {
    origin: [origin],
    methods: ['GET', 'POST'],
    allowedHeaders: ['content-type', 'accept', CLIENT_ID_HEADER, USER_ID_HEADER],
    credentials: false,
    maxAge: 600,
  }
}

/** The paths that are not GraphQL. */
function routes({ readiness, metrics }: HttpParts): Plugin {
  return {
    async onRequest({ request, url, endResponse }) {
      switch (url.pathname) {
        case '/health/live':
          return endResponse(Response.json({ status: 'ok' }))
        case '/health/ready': {
          const { ok, body } = await readiness()
          return endResponse(Response.json(body, { status: ok ? 200 : 503 }))
        }
        case '/metrics': {
          const headers = { 'content-type': metrics.contentType }
          return endResponse(new Response(await metrics.text(), { headers }))
        }
        case '/':
          if (wantsGraphiql(request)) endResponse(redirect(GRAPHQL_PATH))
          return
        case GRAPHQL_PATH:
          if (wantsGraphiql(request)) endResponse(await graphiqlResponse(request))
          return
      }
    },
  }
}

/**
 * Reads operations from GET and from POSTs of JSON only: other content types are what a page of any
 * origin may send without asking first. https://fetch.spec.whatwg.org/#cors-safelisted-request-header
 */
function requestParameters(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, endResponse }) {
      if (requestParser === undefined) return
      if (request.method === 'POST' && !isJson(request)) {
        return endResponse(new Response(null, { status: 415 }))
      }
      setRequestParser(async (incoming) => {
        try {
          if (incoming.method !== 'POST') return await requestParser(incoming)
          return JSON.parse(await readBody(incoming, MAX_BODY_BYTES)) as GraphQLParams
        } catch (error) {
          throw unreadable(error)
        }
      })
    },
  }
}

function isJson(request: Request): boolean {
  return /^application\/(graphql\+)?json\s*(;|$)/i.test(request.headers.get('content-type') ?? '')
}

/** Parameters that cannot be read are the client's fault; no status 200, whatever it accepts. */
function unreadable(error: unknown): unknown {
  if (error instanceof CarillonError) return refusal(error)
  if (!(error instanceof GraphQLError || error instanceof SyntaxError)) return error
  const message = error instanceof GraphQLError ? error.message : 'What was sent is not valid JSON.'
  return new GraphQLError(message, { extensions: { http: { status: 400 } } })
}

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { location } })
}

/**
 * An error that refuses the whole request: with status 400, except that `application/json` answers
 * carry 200. https://graphql.github.io/graphql-over-http/draft/#sec-Status-Codes
 */
function badRequest(error: GraphQLError, report: ReportError): GraphQLError {
  const formatted = formatError(error, report)
  formatted.extensions.http = { spec: true, status: 400 }
  return formatted
}

/** Subscriptions that the hub delivers, for server-sent events. */
function liveResults(): Plugin {
  return {
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(openResults)
    },
  }
}

/** The documents that every transport shares, in place of Yoga's own cache. */
function preparedDocuments({ documents, report }: HttpParts): Plugin {
  return {
    onParse({ setParseFn }) {
      setParseFn((text: string) => {
        const prepared = documents.prepare(text)
        if (prepared.kind === 'valid') return prepared.document
        // Yoga answers what parsing throws, be it one error or several.
        throw new AggregateError(prepared.errors.map((error) => badRequest(error, report)))
      })
    },
    onValidate({ setValidationFn }) {
      setValidationFn(() => [])
    },
  }
}
