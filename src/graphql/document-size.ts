import { Lexer, Source, TokenKind } from 'graphql'
import { CarillonError } from '../protocol/errors.ts'
import { overLimit, type QueryLimits } from './query-limits.ts'

/**
 * How many brackets may stand inside one another in a document. The parser recurses: without a bound,
 * a deep enough document exhausts the stack.
 */
export const MAX_BRACKETS = 200

const OPENING = new Set<TokenKind>([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L])
const CLOSING = new Set<TokenKind>([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R])

/**
 * Before a document is parsed. Aliases and directives are counted within each operation and each fragment:
 * one that has too many by itself needs no parsing.
 *
 * @throws CarillonError INVALID_PAYLOAD where a value is nested too deeply, else INVALID_INPUT
 * @throws GraphQLError where there are characters that no document has
 */
export function checkSize(text: string, limits: QueryLimits): void {
  const lexer = new Lexer(new Source(text))
  let tokens = 0
  let depth = 0
  let parentheses = 0
  let aliases = 0
  let directives = 0
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    if (++tokens > limits.queryTokens) throw overLimit('queryTokens', limits)
    if (token.kind === TokenKind.PAREN_L) parentheses++
    if (token.kind === TokenKind.PAREN_R) parentheses--
    // Outside of arguments and variables, a colon follows an alias only.
    if (token.kind === TokenKind.COLON && parentheses === 0 && ++aliases > limits.queryAliases) {
      throw overLimit('queryAliases', limits)
    }
    if (token.kind === TokenKind.AT && ++directives > limits.queryDirectives) {
      throw overLimit('queryDirectives', limits)
    }
    if (OPENING.has(token.kind)) depth++
    if (CLOSING.has(token.kind)) depth--
    if (depth > MAX_BRACKETS) throw tooDeep(parentheses > 0)
    if (depth > 0 || token.kind !== TokenKind.BRACE_R) continue
    aliases = 0 // the definition is over
    directives = 0
  }
}

function tooDeep(inArguments: boolean): CarillonError {
  const message = `The document is nested deeper than ${MAX_BRACKETS} levels`
  return inArguments
    ? new CarillonError('INVALID_PAYLOAD', `${message}; put deep values into variables.`, {
        limit: 'jsonDepth',
      })
    : new CarillonError('INVALID_INPUT', `${message}; ask for less at once.`, {
        limit: 'queryDepth',
      })
}
