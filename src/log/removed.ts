import type { JsonText } from '../core/json.ts'
import { Message } from '../core/message.ts'
import type { Epoch, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'

/** A stretch of a topic's sequences, both ends included. */
export interface Stretch {
  readonly topic: TopicName
  readonly epoch: Epoch
  readonly from: number
  readonly to: number
}

/**
 * Puts a message without content in the place of each that is missing from a stretch. What is kept has
 * holes only where messages expired and were removed, so these stand for expired messages, which
 * nobody is shown: readers go on checking sequences for holes.
 */
export function fillRemoved(messages: readonly Message[], stretch: Stretch): readonly Message[] {
  const { from, to } = stretch
  if (messages.length === to - from + 1) return messages
  const filled: Message[] = []
  let next = 0
  for (let sequence = from; sequence <= to; sequence++) {
    const message = messages[next]
    if (message?.sequence === sequence) next++
    filled.push(message?.sequence === sequence ? message : removed(stretch, sequence as Sequence))
  }
  return filled
}

function removed({ topic, epoch }: Stretch, sequence: Sequence): Message {
  return new Message({
    topic,
    epoch,
    sequence,
    type: 'message',
    payload: 'null' as JsonText,
    metadata: null,
    encrypted: false,
    from: '',
    clientId: null,
    to: null,
    idempotencyKey: null,
    publishedAt: LONG_AGO,
    expiresAt: LONG_AGO,
  })
}

const LONG_AGO = new Date(0)
