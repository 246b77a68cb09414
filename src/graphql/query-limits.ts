import { DEFAULT_LIMITS, type LimitName, type Limits } from '../access/limits.ts'
import { CarillonError } from '../protocol/errors.ts'

/** Those of the limits that documents are held to. */
export type QueryLimits = Pick<
  Limits,
  'queryDepth' | 'queryTokens' | 'queryAliases' | 'queryDirectives' | 'queryCost'
>

export type QueryLimitName = keyof QueryLimits & LimitName

export const DEFAULT_QUERY_LIMITS: QueryLimits = DEFAULT_LIMITS

/** What is over a limit, and what its author can do; `max` is the limit's value. */
const MESSAGES: Readonly<Record<QueryLimitName, (max: number) => string>> = {
  queryDepth: (max) =>
    `The operation has more than ${max} fields inside one another; ask for what is deeper in an operation of its own.`,
  queryTokens: (max) =>
    `The document has more than ${max} tokens; put large values into variables.`,
  queryAliases: (max) =>
    `The operation has more than ${max} aliases, those of a fragment counted as often as it is spread; send several operations.`,
  queryDirectives: (max) =>
    `The operation has more than ${max} directives, those of a fragment counted as often as it is spread; send several operations.`,
  queryCost: (max) =>
    `The operation costs more than ${max}: each object that it may load counts 1; ask for smaller pages, with \`first\` or \`last\`.`,
}

export function overLimit(name: QueryLimitName, limits: QueryLimits): CarillonError {
  return new CarillonError('INVALID_INPUT', MESSAGES[name](limits[name]), { limit: name })
}
