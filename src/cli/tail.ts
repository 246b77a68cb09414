import type { Gap } from '../protocol/errors.ts'
import { asksForHelp, parseArguments } from './arguments.ts'
import { TAIL_HELP } from './client-help.ts'
import { followPatterns } from './follow-patterns.ts'
import type { FollowRequest } from './follow-request.ts'
import { followTopics } from './follow-topics.ts'
import { MessageOutput } from './message-output.ts'
import { parseCount } from './numbers.ts'
import { note, print } from './print.ts'
import { type Session, withSession } from './session.ts'
import { TARGET_OPTIONS } from './target.ts'
import { readPattern } from './topics.ts'
import { UsageError } from './usage-error.ts'

const OPTIONS = {
  ...TARGET_OPTIONS,
  after: { type: 'string' },
  last: { type: 'string' },
  type: { type: 'string', multiple: true },
  from: { type: 'string', multiple: true },
  count: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

type Values = ReturnType<typeof parseArguments<typeof OPTIONS>>['values']

/** `carillon tail …` */
export async function tail(args: readonly string[]): Promise<void> {
  if (asksForHelp(args)) return print(TAIL_HELP)
  const { values, positionals } = parseArguments(args, OPTIONS)
  const topics = [...new Set(positionals.map(readPattern))]
  const { wanted, count } = readWanted(topics, values)
  const output = new MessageOutput(values)
  await withSession(values, async (session) => {
    const enough = new AbortController()
    let left = count
    const request: FollowRequest = {
      ...wanted,
      signal: AbortSignal.any([session.signal, enough.signal]),
      onMessage: async (message) => {
        if (left-- <= 0) return // two topics may bring the last one
        await output.print(message)
        if (left <= 0) enough.abort()
      },
      onGap: (gap) => note(`carillon: ${gapText(gap)}\n`),
    }
    await Promise.all([follow(session, request), session.watch.inTime()])
  })
}

/** The client library keeps the place of one topic for certain; which topics a pattern has, only the server knows. */
function follow(session: Session, request: FollowRequest): Promise<void> {
  return request.topics.some(isPattern)
    ? followPatterns(session, request)
    : followTopics(session, request)
}

function isPattern(topic: string): boolean {
  return topic.endsWith('*')
}

function readWanted(topics: readonly string[], { after, last, type, from, count }: Values) {
  const [first] = topics
  if (first === undefined) throw new UsageError('carillon tail needs a topic, or several.')
  if (after !== undefined && last !== undefined) {
    throw new UsageError('--after and --last do not go together.')
  }
  if (after !== undefined && (topics.length > 1 || isPattern(first))) {
    throw new UsageError('--after goes with one topic: a cursor is of one.')
  }
  return {
    wanted: {
      topics,
      after,
      last: last === undefined ? undefined : parseCount('--last', last, MAX_LAST),
      types: type,
      from,
    },
    count: count === undefined ? Number.POSITIVE_INFINITY : parseCount('--count', count),
  }
}

/** What servers begin with, at most. */
const MAX_LAST = 1_000

function gapText({ topic, fromSequence, toSequence, reason }: Gap): string {
  switch (reason) {
    case 'RETENTION': {
      const which =
        fromSequence === toSequence
          ? `message ${fromSequence} is`
          : `messages ${fromSequence} to ${toSequence} are`
      return `In ${topic}, the ${which} no longer kept.`
    }
    case 'EPOCH_CHANGED':
      return `In ${topic}, the numbering started again; messages from ${fromSequence} on are gone.`
    default:
      return reason satisfies never
  }
}
