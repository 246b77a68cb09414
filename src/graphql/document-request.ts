import { CarillonError } from '../protocol/errors.ts'
import type { PersistedOperation, PersistedOperations } from './persisted-operations.ts'

/** What a client sends to name a document, and what to execute it with; not checked yet. */
export interface DocumentRequest {
  /** The document; none, or an empty one, where it is named by its id. */
  readonly query?: unknown
  /** https://github.com/graphql/graphql-over-http/blob/main/spec/Appendix%20A%20--%20Persisted%20Documents.md */
  readonly documentId?: unknown
  /** `persistedQuery.sha256Hash` names a document, as Apollo's clients do it. */
  readonly extensions?: unknown
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined
  readonly operationName?: string | null | undefined
}

/**
 * The text of the document that is to be executed.
 *
 * @throws CarillonError PERMISSION_DENIED for an operation that is not of the list, where there is one, and
 * INVALID_INPUT for an id where there is none
 */
export function textOf(request: DocumentRequest, operations?: PersistedOperations): string {
  const text = typeof request.query === 'string' ? request.query : ''
  if (operations === undefined) {
    if (request.documentId != null || (text === '' && idOf(request) !== undefined)) throw noList()
    return text
  }
  const id = idOf(request)
  if (id === undefined) return listed(operations.withText(text)).text
  const named = listed(operations.withId(id))
  if (text !== '' && operations.withText(text) !== named) {
    throw new CarillonError(
      'INVALID_INPUT',
      '`query` is another document than the id stands for; send one of the two.',
    )
  }
  return named.text
}

/** Whether a document is named by an id, so that `query` may be left out. */
export function hasId(request: DocumentRequest): boolean {
  return request.documentId != null || hashOf(request) != null
}

function idOf(request: DocumentRequest): string | undefined {
  const id = request.documentId ?? hashOf(request)
  if (id == null || typeof id === 'string') return id ?? undefined
  throw new CarillonError('INVALID_INPUT', 'The id of a document is a text.')
}

function hashOf({ extensions }: DocumentRequest): unknown {
  return read(read(extensions, 'persistedQuery'), 'sha256Hash')
}

function read(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, key)?.value
}

function listed(operation: PersistedOperation | undefined): PersistedOperation {
  if (operation !== undefined) return operation
  throw new CarillonError(
    'PERMISSION_DENIED',
    'This server executes the operations of its list only, and this is none of them.',
  )
}

function noList(): CarillonError {
  return new CarillonError(
    'INVALID_INPUT',
    'This server has no list of operations, so that ids stand for none; send the document as `query`.',
  )
}
