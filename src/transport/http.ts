import { randomUUID } from 'node:crypto'
import { IncomingMessage, ServerResponse } from 'node:http'
import { GraphQLError, type GraphQLSchema } from 'graphql'
import {
  createYoga,
  type GraphQLParams,
  type Plugin,
  type YogaInitialContext,
  type YogaServerInstance,
} from 'graphql-yoga'
import type { Arrival, Arrivals } from '../access/arrivals.ts'
import type { Authenticator } from '../access/authenticator.ts'
import { CLIENT_ID_HEADER, httpCredentials, USER_ID_HEADER } from '../access/credentials.ts'
import type { InFlight } from '../access/in-flight.ts'
import type { LimitName, Limits } from '../access/limits.ts'
import type { Origins } from '../access/origins.ts'
import type { Viewer } from '../access/viewer.ts'
import type { GraphQLContext } from '../graphql/context.ts'
import { type DocumentRequest, hasId } from '../graphql/document-request.ts'
import type { Documents } from '../graphql/documents.ts'
import { formatError, type ReportError, toGraphQLError } from '../graphql/errors.ts'
import type { Operations } from '../operations/operations.ts'
import type { PresenceConnection } from '../presence/presence.ts'
import { CarillonError, ERRORS } from '../protocol/errors.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import { openCountedResults } from './counted-results.ts'
import { crossOrigin } from './cross-origin.ts'
import { graphiqlResponse, wantsGraphiql } from './graphiql.ts'
import type { Intake } from './intake.ts'
import { responseOf, textRefusal } from './refusal.ts'
import { brokenOff, readBody } from './request-body.ts'
import { secureAnswers } from './security-headers.ts'

export const GRAPHQL_PATH = '/graphql'

/** The headers that pages of allowed origins may send besides what every page may. */
const PAGE_HEADERS = ['content-type', 'accept', 'authorization', CLIENT_ID_HEADER, USER_ID_HEADER]

export interface HttpParts {
  readonly schema: GraphQLSchema
  readonly documents: Documents
  readonly operations: Operations
  readonly authenticator: Authenticator
  readonly report: ReportError
  readonly isShuttingDown: () => boolean
  readonly limits: Pick<Limits, 'bodyBytes'>
  /** Told the name of a limit that refused something. */
  readonly onLimit: (name: LimitName) => void
  readonly origins: Origins
  readonly arrivals: Arrivals
  readonly connections: Pick<ConnectionLimits<never>, 'admit' | 'release'>
  /** Connections and streams by user; undefined where users are not told apart. */
  readonly perUser: InFlight | undefined
  readonly intake: Intake
  /** Whether browsers get GraphiQL. */
  readonly graphiql: boolean
  /** What is counted, as a text, and of which type. */
  readonly metrics: { readonly contentType: string; text(): Promise<string> }
  /** Answers readiness: HTTP 200 where `ok`, else 503, with the body as JSON. */
  readonly readiness: () => Promise<{ readonly ok: boolean; readonly body: object }>
}

/** Everything over HTTP: GraphQL (POST, GET and server-sent events), GraphiQL and health. */
export type HttpHandler = YogaServerInstance<object, GraphQLContext>

export function createHttpHandler(parts: HttpParts): HttpHandler {
  const { schema, operations, report, origins } = parts
  const viewers = new WeakMap<Request, Viewer>()
  const sources = new WeakMap<Request, string>()
  const arrivalOf = (request: Request, context: object) => arrivalIn(parts, request, context)
  return createYoga<object, GraphQLContext>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    graphiql: false,
    landingPage: false,
    // Yoga answers every URL that ends so: none does, and `routes` has the health checks.
    healthCheckEndpoint: '\n',
    parserAndValidationCache: false,
    extraParamNames: ['documentId'],
    logging: false,
    cors: false, // it would answer preflights before anyone is asked
    context: async ({ request }) => ({
      viewer: viewers.get(request) ?? (await viewerOf(request, parts)),
      operations,
      signal: request.signal,
      connection: requestConnection(),
    }),
    maskedErrors: { maskError: (error) => formatError(error, report) },
    multipart: false,
    plugins: [
      crossOrigin({ origins, arrivalOf, path: GRAPHQL_PATH, headers: PAGE_HEADERS }),
      routes(parts),
      requestParameters(parts, { viewers, sources }),
      preparedDocuments(parts),
      liveResults(parts),
      answersInTurn(parts, sources),
      secureAnswers(arrivalOf, ({ pathname }) => pathname === GRAPHQL_PATH),
    ],
  })
}

/** Over HTTP, the end of a connection is all that a client can say. */
function requestConnection(): PresenceConnection {
  return { id: randomUUID(), operationId: randomUUID(), isLost: () => true }
}

/** @throws GraphQLError, which refuses the request with the status of its code */
async function viewerOf(
  { headers }: Request,
  { isShuttingDown, authenticator, operations }: HttpParts,
) {
  try {
    if (isShuttingDown()) throw new CarillonError('SHUTTING_DOWN')
    const viewer = await authenticator.authenticate(httpCredentials(Object.fromEntries(headers)))
    operations.ensureValid(viewer)
    return viewer
  } catch (error) {
    throw error instanceof CarillonError ? refusal(error) : error
  }
}

/** An error that refuses the whole request with the status of its code. */
function refusal(error: CarillonError): unknown {
  const told = toGraphQLError(error)
  if (told instanceof GraphQLError) {
    const headers = error.code === 'UNAUTHENTICATED' ? { 'www-authenticate': 'Bearer' } : {}
    told.extensions.http = { status: ERRORS[error.code].status, headers }
  }
  return told
}

/** How a request came: Yoga has the one of Node at hand, but for those that came by `fetch`. */
function arrivalIn({ arrivals }: HttpParts, request: Request, context: object): Arrival {
  const incoming = 'req' in context ? context.req : undefined
  if (incoming instanceof IncomingMessage) return arrivals.of(incoming)
  return arrivals.ofRequest(request)
}

/** The paths that are not GraphQL. */
function routes({ readiness, metrics, graphiql, perUser }: HttpParts): Plugin {
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
          if (wantsGraphiql(request)) endResponse(graphiql ? redirect(GRAPHQL_PATH) : noPage())
          return
        case GRAPHQL_PATH:
          if (wantsGraphiql(request)) {
            endResponse(
              graphiql
                ? await graphiqlResponse(request, { needsToken: perUser !== undefined })
                : noPage(),
            )
          }
          return
      }
    },
  }
}

/** What is known of a request, before it is carried out. */
interface Known {
  readonly viewers: WeakMap<Request, Viewer>
  /** Whom it takes turns with others for. */
  readonly sources: WeakMap<Request, string>
}

/** Those of one user take turns as one; where users are not told apart, those of one address. */
function sourceOf(viewer: Viewer, { address }: Arrival, { perUser }: HttpParts): string {
  return perUser === undefined ? `address ${address}` : `user ${viewer.userId}`
}

/**
 * Reads operations from GET and from POSTs of JSON only: other content types are what a page of any
 * origin may send without asking first. https://fetch.spec.whatwg.org/#cors-safelisted-request-header
 */
function requestParameters(parts: HttpParts, { viewers, sources }: Known): Plugin {
  const { limits, onLimit, intake } = parts
  return {
    onRequestParse({ request, serverContext, requestParser, setRequestParser, endResponse }) {
      if (requestParser === undefined) return
      if (request.method === 'POST' && !isJson(request)) {
        return endResponse(new Response(null, { status: 415 }))
      }
      setRequestParser(async (incoming) => {
        // Before anything that was sent is looked at.
        const viewer = await viewerOf(incoming, parts)
        const source = sourceOf(viewer, arrivalIn(parts, incoming, serverContext), parts)
        viewers.set(incoming, viewer)
        sources.set(incoming, source)
        intake.begin(source)
        try {
          if (incoming.method === 'POST') {
            const body = await readBody(incoming, { maxBytes: limits.bodyBytes, intake, source })
            await intake.next(source) // what is in it takes longer than reading it
            if (incoming.signal.aborted) throw brokenOff()
            return named(JSON.parse(body) as GraphQLParams)
          }
          const documentId = new URL(incoming.url).searchParams.get('documentId') ?? undefined
          return named({ ...(await requestParser(incoming)), documentId })
        } catch (error) {
          if (error instanceof CarillonError && error.limit === 'bodyBytes') onLimit(error.limit)
          throw unreadable(error)
        }
      })
    },
  }
}

/** Yoga asks for a query: an empty one, where there is an id in its place. */
function named(params: DocumentRequest & GraphQLParams): GraphQLParams {
  return params !== null && params.query == null && hasId(params)
    ? { ...params, query: '' }
    : params
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

function noPage(): Response {
  return responseOf(textRefusal(404, 'There is no page here: GraphiQL is off.'))
}

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { location } })
}

/**
 * An error that refuses the whole request: with the status of its code, except that `application/json` answers
 * carry 200. https://graphql.github.io/graphql-over-http/draft/#sec-Status-Codes
 */
function badRequest(error: GraphQLError, report: ReportError): GraphQLError {
  const formatted = formatError(error, report)
  const { originalError } = error
  const status = originalError instanceof CarillonError ? ERRORS[originalError.code].status : 400
  formatted.extensions.http = { spec: true, status }
  return formatted
}

/** Subscriptions that the hub delivers, for server-sent events. */
function liveResults(parts: HttpParts): Plugin {
  return {
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn((args) => {
        const context = args.contextValue as YogaInitialContext // as Yoga makes it
        const { address } = arrivalIn(parts, context.request, context)
        const onGone = (listener: () => void) => whenGone(context, listener)
        return openCountedResults(args, { address, onGone }, parts)
      })
    },
    // A request that takes no stream of any kind is answered with 406, and nobody reads its results.
    onResultProcess({ result, resultProcessor }) {
      const isStream = !Array.isArray(result) && Symbol.asyncIterator in result
      if (isStream && resultProcessor === undefined) void result[Symbol.asyncIterator]().return?.()
    },
  }
}

/** Calls back once a request is answered, or its client gone. A request of `fetch` has a signal only. */
function whenGone(context: YogaInitialContext, listener: () => void): void {
  const response = 'res' in context ? context.res : undefined
  const { signal } = context.request
  if (response instanceof ServerResponse ? response.closed : signal.aborted) listener()
  else if (response instanceof ServerResponse) response.once('close', listener)
  else signal.addEventListener('abort', listener, { once: true })
}

/** What was published together is stored at once, and would be answered at once, too. */
function answersInTurn({ intake }: HttpParts, sources: Known['sources']): Plugin {
  return {
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn(async (args) => {
        const result: unknown = await executeFn(args)
        await intake.next(sources.get(args.contextValue.request) ?? '')
        return result
      })
    },
  }
}

/** The documents that every transport shares, in place of Yoga's own cache. */
function preparedDocuments({ documents, report }: HttpParts): Plugin {
  return {
    onParse({ context, setParseFn }) {
      setParseFn(() => {
        const prepared = documents.find(context.params)
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
