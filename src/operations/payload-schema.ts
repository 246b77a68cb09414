import { isTopicName, matchesPattern, parseTopicPattern } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Middleware } from './middleware.ts'

/** What zod, valibot, arktype and others can do: https://standardschema.dev */
export interface PayloadSchema {
  readonly '~standard': {
    validate(value: unknown): SchemaResult | Promise<SchemaResult>
  }
}

type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export interface PayloadRule {
  /** A topic or a pattern. */
  readonly topics: string
  /** Only messages of this type. Default: of all types. */
  readonly type?: string
  readonly schema: PayloadSchema
}

/** Issues that an error tells, at most. */
const MAX_ISSUES = 3

/**
 * Lets only messages pass whose payload fits: the first rule that is about them counts, and without one everything
 * fits. What the schema makes of a payload is published. Encrypted payloads are not looked at.
 * @throws CarillonError INVALID_TOPIC_PATTERN where a rule's topics are no pattern
 */
export function payloadSchema(rules: readonly PayloadRule[]): Middleware<'publish'> {
  const parsed = rules.map((rule) => ({ ...rule, topics: parseTopicPattern(rule.topics) }))
  return async (context, next) => {
    const { topic, type = 'message', payload, encrypted } = context.request
    const rule = parsed.find(
      (candidate) =>
        isTopicName(topic) &&
        matchesPattern(topic, candidate.topics) &&
        (candidate.type === undefined || candidate.type === (type ?? 'message')),
    )
    if (rule !== undefined && encrypted !== true) {
      const result = await rule.schema['~standard'].validate(payload)
      if (result.issues !== undefined) throw unfit(result.issues)
      context.request = { ...context.request, payload: result.value }
    }
    return next()
  }
}

function unfit(issues: readonly SchemaIssue[]): CarillonError {
  const told = issues.slice(0, MAX_ISSUES).map(({ message, path = [] }) => {
    const keys = path.map((part) => String(typeof part === 'object' ? part.key : part))
    return keys.length === 0 ? message : `${keys.join('.')}: ${message}`
  })
  return new CarillonError('INVALID_PAYLOAD', `The payload does not fit: ${told.join('; ')}.`)
}
