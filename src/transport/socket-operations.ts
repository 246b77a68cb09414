import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  Kind,
} from 'graphql'
import type { OperationResult, SubscribePayload } from 'graphql-ws'
import type { LimitName, Limits } from '../access/limits.ts'
import type { LiveAccess } from '../access/live-access.ts'
import type { Viewer } from '../access/viewer.ts'
import type { GraphQLContext } from '../graphql/context.ts'
import type { Documents } from '../graphql/documents.ts'
import { isLiveSource, openSource } from '../graphql/live.ts'
import type { Operations } from '../operations/operations.ts'
import { CarillonError, type ErrorCode } from '../protocol/errors.ts'
import { Answers } from './answers.ts'
import type { Connection } from './connection.ts'
import type { Intake } from './intake.ts'

export interface SocketOperationsParts {
  readonly schema: GraphQLSchema
  readonly documents: Documents
  readonly operations: Operations
  readonly limits: Limits
  readonly intake: Intake
  /** Told the name of a limit that refused something. */
  readonly onLimit: (limit: LimitName) => void
  readonly renew: (connection: Connection, token: string | undefined) => Promise<Viewer>
}

/** How long nothing is read from a client whose operation was refused before it began, in milliseconds. */
const REFUSAL_REST_MS = 10

/** How long queries and mutations may take to be answered once the server closes, in milliseconds. */
const ANSWER_GRACE_MS = 5_000

/** What clients ask for over WebSockets: which of it may begin, and for whom it is done. */
export class SocketOperations {
  readonly #parts: SocketOperationsParts
  readonly #answers: Answers
  #isClosing = false

  constructor(parts: SocketOperationsParts) {
    this.#parts = parts
    this.#answers = new Answers(parts.intake)
  }

  /** Syntax errors are answered like validation errors: an operation's failure, not the socket's. */
  prepare(
    connection: Connection,
    id: string,
    payload: SubscribePayload,
  ): ExecutionArgs | readonly GraphQLError[] | Promise<never> {
    const tooMany = this.#tooMany(connection)
    if (tooMany !== undefined) return tooMany
    const { schema, documents, intake } = this.#parts
    const { live, reader } = connection
    intake.begin(reader)
    const { variables, operationName } = payload
    const prepared = documents.find(payload)
    if (prepared.kind === 'invalid') {
      reader.rest(REFUSAL_REST_MS)
      return prepared.errors
    }
    const { document, text } = prepared
    const isLive = getOperationAST(document, operationName)?.operation === 'subscription'
    const tooSoon = isLive ? this.#tooSoon(connection) : undefined
    if (tooSoon !== undefined) return tooSoon
    if (this.#isClosing) {
      // An error would end a subscription for good: its client connects again after the close.
      return isLive ? new Promise(() => {}) : [inGraphQL(new CarillonError('SHUTTING_DOWN'))]
    }
    if (live === undefined)
      throw new Error('An operation came before the connection was acknowledged.')
    const refusal = isRenewal(document, operationName) ? undefined : this.#invalid(live)
    if (refusal !== undefined) return refusal
    if (!isLive) this.#answers.expect(connection, id)
    return {
      schema,
      document,
      variableValues: variables ?? null,
      operationName: operationName ?? null,
      contextValue: this.#contextOf(connection, live, { id, text }),
    }
  }

  /** A stream of results, or why there is none. */
  async subscribe(args: ExecutionArgs): Promise<OperationResult> {
    const source = await openSource(args)
    if (isLiveSource(source) || !(Symbol.asyncIterator in source)) return source as OperationResult
    return this.#whileValid(source, args.contextValue as GraphQLContext) // as `prepare` made it
  }

  /** Begins nothing more. Resolves when the queries and mutations under way have been answered, for which there is some time. */
  close(): Promise<void> {
    this.#isClosing = true
    return this.#answers.sent(ANSWER_GRACE_MS)
  }

  #contextOf(
    connection: Connection,
    live: LiveAccess,
    { id, text }: { readonly id: string; readonly text: string },
  ): GraphQLContext {
    const { operations, renew } = this.#parts
    return {
      viewer: live.viewer,
      live,
      operations,
      renew: (token) => renew(connection, token),
      resume: connection.resume?.point(id, text),
      connection: { id: connection.id, operationId: id, isLost: () => connection.isLost },
    }
  }

  #tooMany(connection: Connection): readonly GraphQLError[] | undefined {
    const { operationsPerSocket: max } = this.#parts.limits
    if ((connection.inbox?.size ?? 0) <= max) return undefined
    const text = `At most ${max} operations at once over one connection.`
    return this.#refusals(connection, 'TOO_MANY_SUBSCRIPTIONS', text, {
      limit: 'operationsPerSocket',
    })
  }

  #tooSoon(connection: Connection): readonly GraphQLError[] | undefined {
    if (connection.meter.mayStart()) return undefined
    const { subscribesPerSecond: max } = this.#parts.limits
    const text = `At most ${max} subscriptions may be started in a second.`
    const { retryAfterMs } = connection.meter
    const limit = 'subscribesPerSecond'
    return this.#refusals(connection, 'RATE_LIMIT_EXCEEDED', text, { limit, retryAfterMs })
  }

  /** Why the credentials of a connection are not, or no longer, good for anything but being renewed. */
  #invalid({ viewer }: LiveAccess): readonly GraphQLError[] | undefined {
    try {
      this.#parts.operations.ensureValid(viewer)
      return undefined
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error
      return [inGraphQL(error)]
    }
  }

  #refusals(
    { reader }: Connection,
    code: ErrorCode,
    text: string,
    options: { readonly limit: LimitName; readonly retryAfterMs?: number },
  ): readonly GraphQLError[] {
    this.#parts.onLimit(options.limit)
    reader.rest(REFUSAL_REST_MS)
    return [inGraphQL(new CarillonError(code, text, options))]
  }

  /** Subscriptions of the host application: Carillon's own rest and end with the credentials by themselves. */
  async *#whileValid(
    results: AsyncIterable<ExecutionResult>,
    { live, operations }: GraphQLContext,
  ): AsyncGenerator<ExecutionResult, void> {
    for await (const result of results) {
      if (live !== undefined) operations.ensureValid(live.viewer)
      yield result
    }
  }
}

/** Whether an operation brings fresh credentials, and nothing else. */
function isRenewal(document: DocumentNode, operationName?: string | null): boolean {
  const operation = getOperationAST(document, operationName)
  return (
    operation?.operation === 'mutation' &&
    operation.selectionSet.selections.every(
      (selection) => selection.kind === Kind.FIELD && selection.name.value === 'refreshToken',
    )
  )
}

function inGraphQL(error: CarillonError): GraphQLError {
  return new GraphQLError(error.message, { originalError: error })
}
