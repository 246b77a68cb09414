import type { Acknowledged, History, Message, Seen, SubscriberHistory } from './history.ts'

export type Rule =
  | 'acknowledged is kept'
  | 'published once'
  | 'one payload a sequence'
  | 'in order'
  | 'nothing lost'
  | 'nothing twice'
  | 'at the head in the end'
  | 'no subscription ends'

export const RULES: readonly Rule[] = [
  'acknowledged is kept',
  'published once',
  'one payload a sequence',
  'in order',
  'nothing lost',
  'nothing twice',
  'at the head in the end',
  'no subscription ends',
]

/** A rule that was broken, by whom, and the part of the history that shows it. */
export interface Violation {
  readonly rule: Rule
  readonly what: string
  readonly history: readonly string[]
}

/** Judges a run by what everyone saw. */
export function judge(history: History): readonly Violation[] {
  return [
    ...acknowledgedIsKept(history),
    ...publishedOnce(history),
    ...onePayload(history),
    ...history.subscribers.flatMap((subscriber) => [...judgeSubscriber(subscriber, history)]),
  ]
}

function* acknowledgedIsKept({ acknowledged, log }: History): Generator<Violation> {
  const byId = new Map([...log.values()].flat().map((message) => [message.id, message]))
  for (const one of acknowledged) {
    const kept = byId.get(one.id)
    if (kept?.payload === one.payload && kept.sequence === one.sequence) continue
    yield {
      rule: 'acknowledged is kept',
      what: `${one.publisher} was told that ${show(one)} is published`,
      history: [kept === undefined ? 'The log does not have it.' : `The log has ${show(kept)}.`],
    }
  }
}

/** However often it was tried: one row, and the same answer. */
function* publishedOnce({ acknowledged, log }: History): Generator<Violation> {
  for (const [topic, messages] of log) {
    const places = groupBy(messages, ({ payload }) => payload)
    for (const [payload, same] of places) {
      if (same.length === 1) continue
      const what = `${payload} is ${same.length} times in ${topic}`
      yield { rule: 'published once', what, history: same.map(show) }
    }
  }
  const answers = groupBy(acknowledged, keyOf)
  for (const [key, same] of answers) {
    if (new Set(same.map(({ id }) => id)).size === 1) continue
    const what = `${key} was answered with several places`
    yield { rule: 'published once', what, history: same.map(show) }
  }
}

function groupBy<T>(
  all: Iterable<T>,
  keyOf: (one: T) => string,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(keyOf(one))
    if (group === undefined) groups.set(keyOf(one), [one])
    else group.push(one)
  }
  return groups
}

function keyOf({ topic, idempotencyKey }: Acknowledged): string {
  return `the key ${idempotencyKey} in ${topic}`
}

/** Whoever saw an id saw the same under it. */
function* onePayload({ acknowledged, subscribers, log }: History): Generator<Violation> {
  const known = new Map<string, { readonly message: Message; readonly by: string }>()
  const all = [
    ...[...log.values()].map((messages) => ({ by: 'the log', messages })),
    { by: 'publishers', messages: acknowledged },
    ...subscribers.map(({ name, seen }) => ({ by: name, messages: seen })),
  ]
  for (const { by, messages } of all) {
    for (const message of messages) {
      const first = known.get(message.id)
      if (first === undefined) known.set(message.id, { message, by })
      else if (first.message.payload !== message.payload) {
        yield {
          rule: 'one payload a sequence',
          what: `${first.by} and ${by} saw different messages under one id`,
          history: [show(first.message), show(message)],
        }
      }
    }
  }
}

function* judgeSubscriber(subscriber: SubscriberHistory, { log }: History): Generator<Violation> {
  for (const failure of subscriber.failures) {
    yield { rule: 'no subscription ends', what: subscriber.name, history: [failure] }
  }
  for (const topic of subscriber.topics) {
    yield* judgeTopic(subscriber, topic, log.get(topic) ?? [])
  }
}

function* judgeTopic(
  { name, kind, seen: all }: SubscriberHistory,
  topic: string,
  log: readonly Message[],
): Generator<Violation> {
  const seen = all.filter((one) => one.topic === topic)
  const head = log.at(-1)?.sequence ?? 0
  // A consumer that never acknowledged begins at the beginning; the others, whenever they came.
  const begin = (first: Seen) => (kind === 'consumer' ? (log[0]?.sequence ?? 1) : first.sequence)
  let last: Seen | undefined
  /** The connection that each came on first. */
  const known = new Map<string, number>()
  for (const [index, one] of seen.entries()) {
    const around = () => seen.slice(Math.max(0, index - 5), index + 3).map(showSeen)
    const first = known.get(one.id)
    if (first !== undefined) {
      // The client takes out what the server says may be a repeat; a consumer, what it had not acked for certain.
      const isUnacked = one.connection > first && one.sequence > one.ackedBefore
      const mayRepeat = one.resumed || (kind === 'consumer' && isUnacked)
      if (!mayRepeat) {
        yield { rule: 'nothing twice', what: `${name} saw ${show(one)} again`, history: around() }
      }
      continue
    }
    known.set(one.id, one.connection)
    const expected = last === undefined ? begin(one) : last.sequence + 1
    if (one.sequence < expected) {
      yield { rule: 'in order', what: `${name} saw ${show(one)} too late`, history: around() }
    } else if (one.sequence > expected) {
      const what = `${name} never saw ${expected} to ${one.sequence - 1} of ${topic} before`
      yield { rule: 'nothing lost', what, history: around() }
    }
    if (last === undefined || one.sequence > last.sequence) last = one
  }
  if (last?.sequence !== head) {
    yield {
      rule: 'at the head in the end',
      what: `${name} stands at ${last?.sequence ?? 'nothing'} of ${topic}, whose head is ${head}`,
      history: seen.slice(-8).map(showSeen),
    }
  }
}

export function show({ topic, sequence, payload }: Message): string {
  return `${topic}#${sequence} (${payload})`
}

function showSeen(one: Seen): string {
  const at = (one.at / 1_000).toFixed(2).padStart(8)
  return `${at} s  connection ${one.connection}  ${show(one)}${one.resumed ? '  resumed' : ''}`
}
