import type { JsonText } from '../../src/core/json.ts'
import { type Draft, EphemeralMessage, Message } from '../../src/core/message.ts'
import type { Epoch, Sequence } from '../../src/core/sequence.ts'
import type { TopicName } from '../../src/core/topic-name.ts'

export interface TestMessage {
  readonly topic?: string
  readonly sequence: number
  readonly payload?: string
  readonly from?: string
  readonly to?: readonly string[]
}

/** A message as the log would give it back. */
export function message({
  topic = 'chat:1',
  sequence,
  payload,
  from = 'ann',
  to,
}: TestMessage): Message {
  return new Message({
    topic: topic as TopicName,
    epoch: '0123456789ab' as Epoch,
    sequence: sequence as Sequence,
    type: 'message',
    payload: (payload ?? String(sequence)) as JsonText,
    metadata: null,
    encrypted: false,
    from,
    clientId: null,
    to: to ?? null,
    idempotencyKey: null,
    publishedAt: new Date(0),
    expiresAt: null,
  })
}

let ephemerals = 0

/** A message that is fanned out only. */
export function ephemeral({
  topic = 'chat:1',
  payload = '1',
  from = 'ann',
  to,
}: Omit<TestMessage, 'sequence'> = {}): EphemeralMessage {
  return new EphemeralMessage({
    id: `e.${++ephemerals}`,
    topic: topic as TopicName,
    type: 'message',
    payload: payload as JsonText,
    metadata: null,
    encrypted: false,
    from,
    clientId: null,
    to: to ?? null,
    publishedAt: new Date(0),
    expiresAt: null,
  })
}

/** A message as a publisher hands it to the log. */
export function draft(topic: string, fields: Partial<Omit<Draft, 'topic'>> = {}): Draft {
  return {
    topic: topic as TopicName,
    type: 'message',
    payload: '{"n":1}' as JsonText,
    metadata: null,
    encrypted: false,
    from: 'ann',
    clientId: null,
    to: null,
    idempotencyKey: null,
    ttl: null,
    expectedHead: null,
    ...fields,
  }
}
