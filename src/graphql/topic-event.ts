import type {
  CaughtUpEvent as CaughtUpEventValue,
  GapEvent as GapEventValue,
  MessageEvent as MessageEventValue,
  SnapshotEvent as SnapshotEventValue,
  TopicEvent as TopicEventValue,
} from '../hub/topic-event.ts'
import { builder } from './builder.ts'
import { carillon } from './extensions.ts'
import { Message } from './message.ts'
import { Snapshot } from './snapshot.ts'

const MessageEvent = builder.objectRef<MessageEventValue>('MessageEvent')

MessageEvent.implement({
  description: 'A message of one of the topics.',
  extensions: carillon({ shared: true }),
  fields: (t) => ({
    message: t.field({ type: Message, resolve: ({ message }) => message }),
    replayed: t.exposeBoolean('replayed', {
      description: 'True where it came out of the log because the subscriber was behind.',
    }),
  }),
})

const CaughtUpEvent = builder.objectRef<CaughtUpEventValue>('CaughtUpEvent')

CaughtUpEvent.implement({
  description: 'All that was kept has been delivered; what follows is live. Once a topic.',
  extensions: carillon({ shared: true }),
  fields: (t) => ({
    topic: t.expose('topic', { type: 'TopicName' }),
    cursor: t.expose('cursor', { type: 'Cursor', description: 'Where live begins.' }),
  }),
})

const GapReason = builder.enumType('GapReason', {
  description: 'Why messages are missing.',
  values: {
    RETENTION: { description: 'Older than what the topic keeps.' },
    EPOCH_CHANGED: { description: "The topic's numbering started again." },
  },
})

const GapEvent = builder.objectRef<GapEventValue>('GapEvent')

GapEvent.implement({
  description: 'Messages that can no longer be delivered to this subscriber.',
  extensions: carillon({ shared: true }),
  fields: (t) => ({
    topic: t.expose('topic', { type: 'TopicName' }),
    fromSequence: t.expose('fromSequence', {
      type: 'Sequence',
      description: 'The first of them; of the old numbering, where it started again.',
    }),
    toSequence: t.expose('toSequence', {
      type: 'Sequence',
      description:
        'The last of them; where the numbering started again it is not known, and this is the first. The new numbering follows from 1.',
    }),
    reason: t.expose('reason', { type: GapReason }),
  }),
})

const SnapshotEvent = builder.objectRef<SnapshotEventValue>('SnapshotEvent')

SnapshotEvent.implement({
  description: 'The state to start from, in the place of the messages up to its sequence.',
  extensions: carillon({ shared: true }),
  fields: (t) => ({ snapshot: t.field({ type: Snapshot, resolve: ({ snapshot }) => snapshot }) }),
})

const TYPES = {
  message: MessageEvent,
  caughtUp: CaughtUpEvent,
  gap: GapEvent,
  snapshot: SnapshotEvent,
} as const satisfies Record<TopicEventValue['kind'], unknown>

export const TopicEvent = builder.unionType('TopicEvent', {
  description: 'What happens in a topic.',
  types: [MessageEvent, CaughtUpEvent, GapEvent, SnapshotEvent],
  resolveType: ({ kind }) => TYPES[kind],
})
