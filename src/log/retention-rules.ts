import { z } from 'zod'
import {
  matchesPattern,
  parseTopicPattern,
  type TopicName,
  type TopicPattern,
} from '../core/topic-name.ts'

/** How long the messages of some topics are kept. */
export interface RetentionRule {
  /** A topic, a pattern such as `chat:*`, or `*` for all topics. */
  readonly topics: string
  /** Seconds that a message is kept at most. Default: for ever. */
  readonly maxAge?: number | undefined
  /** How many of the newest sequences of a topic are kept at most. Default: all. */
  readonly maxMessages?: number | undefined
  /** Keeps what a consumer that ever acknowledged in the topic has still to acknowledge. Default false. */
  readonly keepUnacked?: boolean | undefined
}

/** What applies to one topic. */
export interface TopicLimits {
  /** Seconds; null for no limit. */
  readonly maxAge: number | null
  /** Null for no limit. */
  readonly maxMessages: number | null
  readonly keepUnacked: boolean
}

/** A rule that was checked. */
export interface ParsedRule {
  readonly topics: TopicPattern | typeof ALL_TOPICS
  readonly limits: TopicLimits
}

/** No pattern: in a rule, and only there, it stands for all topics. */
const ALL_TOPICS = '*'

/** Rules in one list at most: each topic is compared with all of them. */
const MAX_RULES = 1_000

/** A hundred years, in seconds. */
const MAX_AGE = 3_153_600_000

const TOPICS = 'a topic, a pattern such as chat:*, or *'
const AGE = `a whole number of seconds from 1 to ${MAX_AGE}`
const COUNT = 'a whole number from 1'
const RULE = 'a rule such as {"topics":"chat:*","maxAge":86400}'

const Topics = z.string(TOPICS).transform((text, context) => {
  if (text === ALL_TOPICS) return ALL_TOPICS
  try {
    return parseTopicPattern(text)
  } catch {
    context.addIssue(TOPICS) // says as much as the error, and where
    return z.NEVER
  }
})

const Rule = z
  .strictObject(
    {
      topics: Topics,
      maxAge: z.int(AGE).min(1, AGE).max(MAX_AGE, AGE).optional(),
      maxMessages: z.int(COUNT).min(1, COUNT).optional(),
      keepUnacked: z.boolean('true or false').optional(),
    },
    RULE,
  )
  .refine(
    ({ maxAge, maxMessages, keepUnacked }) =>
      keepUnacked !== true || maxAge !== undefined || maxMessages !== undefined,
    'given maxAge or maxMessages where it has keepUnacked',
  )

const Rules = z.array(Rule, 'a list of rules').max(MAX_RULES, `at most ${MAX_RULES} rules`)

/**
 * Checks a list of rules.
 * @throws TypeError whose message names the rule, and says what was expected
 */
export function parseRetention(value: unknown): readonly ParsedRule[] {
  const { data, error } = Rules.safeParse(value)
  if (error !== undefined) throw new TypeError(describe(error))
  return data.map(({ topics, maxAge = null, maxMessages = null, keepUnacked = false }) => ({
    topics,
    limits: { maxAge, maxMessages, keepUnacked },
  }))
}

/** What the first rule that matches says; null where none does: everything is kept. */
export function limitsOf(topic: TopicName, rules: readonly ParsedRule[]): TopicLimits | null {
  const rule = rules.find(({ topics }) => topics === ALL_TOPICS || matchesPattern(topic, topics))
  return rule?.limits ?? null
}

/** E.g. `retention[1].maxAge has to be a whole number from 1.` */
function describe({ issues }: z.ZodError): string {
  const [issue] = issues
  const place = (issue?.path ?? []).map((key) =>
    typeof key === 'number' ? `[${key}]` : `.${String(key)}`,
  )
  const name = `retention${place.join('')}`
  if (issue?.code === 'unrecognized_keys') return `${name} has no ${issue.keys.join(', ')}.`
  return `${name} has to be ${issue?.message}.`
}
