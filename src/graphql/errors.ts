import { type ASTNode, type FormattedExecutionResult, GraphQLError } from 'graphql'
import { CarillonError, ERRORS, type ErrorCode, type Gap } from '../protocol/errors.ts'

/** Told the cause of what clients only see as INTERNAL, and of faults of the database. */
export type ReportError = (error: unknown) => void

/** What every error carries on the wire. */
interface ErrorExtensions {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly gap?: Gap
  readonly limit?: string
}

/** An error of the catalogue as GraphQL carries it, at a node of the document. Anything else passes. */
export function toGraphQLError(error: unknown, node?: ASTNode): unknown {
  if (!(error instanceof CarillonError)) return error
  return new GraphQLError(error.message, {
    nodes: node ?? null,
    originalError: error,
    extensions: { ...extensionsOf(error) },
  })
}

/**
 * Gives an error of an operation its code and hides what is not for clients: the messages of
 * errors that are neither of the catalogue nor GraphQL's own.
 */
export function formatError(error: unknown, report: ReportError): GraphQLError {
  const located = error instanceof GraphQLError ? error : undefined
  const original = rootOf(error)
  if (original instanceof CarillonError) {
    if (original.cause !== undefined) report(original)
    return withExtensions(original.message, extensionsOf(original), located)
  }
  if (original instanceof GraphQLError) {
    if (isCoded(original)) return original
    return withExtensions(original.message, codeOf('INVALID_INPUT'), located)
  }
  report(original)
  return withExtensions(ERRORS.INTERNAL.message, codeOf('INTERNAL'), located)
}

/** What executing answers; an `ExecutionResult` as libraries declare it too. */
interface OperationResult {
  readonly data?: Record<string, unknown> | null | undefined
  readonly errors?: readonly GraphQLError[] | undefined
  readonly extensions?: Record<string, unknown> | undefined
}

/** The result to send where it has errors; undefined where it can go as it is. */
export function formatResult(
  { data, errors, extensions }: OperationResult,
  report: ReportError,
): FormattedExecutionResult | undefined {
  if (errors === undefined) return undefined
  return {
    errors: errors.map((error) => formatError(error, report).toJSON()),
    ...(data === undefined ? {} : { data }),
    ...(extensions === undefined ? {} : { extensions }),
  }
}

/** The error that was thrown, under what GraphQL wrapped around it to say where. */
function rootOf(error: unknown): unknown {
  let root = error
  while (root instanceof GraphQLError && root.originalError !== undefined) root = root.originalError
  return root
}

/** Whether an error has been through here before. */
function isCoded({ extensions }: GraphQLError): boolean {
  return typeof extensions.code === 'string' && Object.hasOwn(ERRORS, extensions.code)
}

/** Keeps where it happened; `extensions.http`, in which Yoga keeps statuses, too. */
function withExtensions(
  message: string,
  extensions: ErrorExtensions,
  located: GraphQLError | undefined,
): GraphQLError {
  if (located === undefined) return new GraphQLError(message, { extensions: { ...extensions } })
  const { nodes, source, positions, path } = located
  const { http } = located.extensions
  return new GraphQLError(messageOf(located, message), {
    nodes: nodes ?? null,
    source: source ?? null,
    positions: positions ?? null,
    path: path ?? null,
    extensions: { ...extensions, ...(http === undefined ? {} : { http }) },
  })
}

/** GraphQL puts the variable's name in front of a scalar's message; that is worth keeping. */
function messageOf(located: GraphQLError, message: string): string {
  return located.message.endsWith(message) ? located.message : message
}

function extensionsOf({
  code,
  retryable,
  retryAfterMs,
  gap,
  limit,
}: CarillonError): ErrorExtensions {
  return {
    code,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(gap === undefined ? {} : { gap }),
    ...(limit === undefined ? {} : { limit }),
  }
}

function codeOf(code: ErrorCode): ErrorExtensions {
  return { code, retryable: ERRORS[code].retryable }
}
