import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Lexer,
  parse,
  Source,
  TokenKind,
  validate,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import { CarillonError } from '../protocol/errors.ts'
import { toGraphQLError } from './errors.ts'

/** A document that can be executed, or why it cannot. */
export type PreparedDocument =
  | { readonly kind: 'valid'; readonly document: DocumentNode }
  | { readonly kind: 'invalid'; readonly errors: readonly GraphQLError[] }

/** Texts that are kept parsed and validated, at most, in number and in characters. */
const MAX_DOCUMENTS = 1_000
const MAX_CHARACTERS = 8 * 1024 * 1024

/**
 * How many brackets may stand inside one another in a document. The parser recurses: without a bound,
 * a deep enough document exhausts the stack.
 */
export const MAX_DOCUMENT_DEPTH = 200

/** The longest document, in tokens; variables may be much longer. */
export const MAX_DOCUMENT_TOKENS = 20_000

/** Parses and validates documents, each once, for every transport. */
export class Documents {
  readonly #schema: GraphQLSchema
  readonly #prepared = new LRUCache<string, PreparedDocument>({
    max: MAX_DOCUMENTS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_prepared, text) => text.length + 1,
  })

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  prepare(text: string): PreparedDocument {
    const known = this.#prepared.get(text)
    if (known !== undefined) return known
    const prepared = prepare(this.#schema, text)
    this.#prepared.set(text, prepared)
    return prepared
  }
}

function prepare(schema: GraphQLSchema, text: string): PreparedDocument {
  try {
    checkSize(text)
    const document = parse(text)
    const errors = validate(schema, document)
    return errors.length === 0 ? { kind: 'valid', document } : { kind: 'invalid', errors }
  } catch (error) {
    const told = toGraphQLError(error)
    if (told instanceof GraphQLError) return { kind: 'invalid', errors: [told] }
    throw error
  }
}

/** @throws CarillonError INVALID_PAYLOAD where a value is nested too deeply, else INVALID_INPUT */
function checkSize(text: string): void {
  const lexer = new Lexer(new Source(text))
  let tokens = 0
  let depth = 0
  let parentheses = 0
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    if (++tokens > MAX_DOCUMENT_TOKENS) throw tooLong()
    if (token.kind === TokenKind.PAREN_L) parentheses++
    if (token.kind === TokenKind.PAREN_R) parentheses--
    if (OPENING.has(token.kind)) depth++
    if (CLOSING.has(token.kind)) depth--
    if (depth > MAX_DOCUMENT_DEPTH) throw tooDeep(parentheses > 0)
  }
}

const OPENING = new Set<TokenKind>([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L])
const CLOSING = new Set<TokenKind>([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R])

function tooLong(): CarillonError {
  return new CarillonError(
    'INVALID_INPUT',
    `The document has more than ${MAX_DOCUMENT_TOKENS} tokens; put large values into variables.`,
  )
}

function tooDeep(inArguments: boolean): CarillonError {
  return new CarillonError(
    inArguments ? 'INVALID_PAYLOAD' : 'INVALID_INPUT',
    `The document is nested deeper than ${MAX_DOCUMENT_DEPTH} levels.`,
  )
}
