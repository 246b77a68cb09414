import type { Consumer as ConsumerValue } from '../consumers/consumer-store.ts'
import { encodeCursor } from '../core/cursor.ts'
import { encodeConsumerId } from '../core/global-id.ts'
import { builder } from './builder.ts'
import { Node } from './node.ts'

const Consumer = builder.objectRef<ConsumerValue>('Consumer')

Consumer.implement({
  description:
    'How far a durable reader has come in one topic. It belongs to the user that acknowledged.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ resolve: ({ topic, userId, name }) => encodeConsumerId(topic, userId, name) }),
    name: t.exposeID('name'),
    topic: t.expose('topic', { type: 'TopicName' }),
    ackedSequence: t.expose('acked', {
      type: 'Sequence',
      description:
        'The highest sequence acknowledged; 0 for none. It never moves back, except by an explicit reset.',
    }),
    cursor: t.field({
      type: 'Cursor',
      nullable: true,
      description: 'The position right at `ackedSequence`.',
      resolve: ({ topic, epoch, acked }) => encodeCursor({ topic, epoch, sequence: acked }),
    }),
    lag: t.expose('lag', {
      type: 'Sequence',
      description: 'Messages after ackedSequence that are still kept.',
    }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
})

const AckInput = builder.inputType('AckInput', {
  description: 'What a durable reader has processed: everything up to a sequence or a cursor.',
  fields: (t) => ({
    topic: t.field({ type: 'TopicName', required: true }),
    consumer: t.id({
      required: true,
      description: 'The name of the durable reader: 1 to 128 characters. It belongs to the user.',
    }),
    sequence: t.field({ type: 'Sequence', description: 'Give one of the two.' }),
    cursor: t.field({ type: 'Cursor' }),
  }),
})

const AckPayload = builder.objectRef<ConsumerValue>('AckPayload')

AckPayload.implement({
  description: 'Where the consumer stands now.',
  fields: (t) => ({ consumer: t.field({ type: Consumer, resolve: (consumer) => consumer }) }),
})

builder.queryFields((t) => ({
  consumer: t.field({
    type: Consumer,
    nullable: true,
    description: "A durable reader of the caller's; null where it has never acknowledged here.",
    args: {
      topic: t.arg({ type: 'TopicName', required: true }),
      name: t.arg.id({ required: true }),
    },
    resolve: async (_root, args, context) =>
      (await context.operations.consumer(args, context)) ?? null,
  }),
}))

builder.mutationFields((t) => ({
  ack: t.field({
    type: AckPayload,
    description:
      'Records how far a durable reader has come. An ack behind an earlier one changes nothing; one past the head is INVALID_INPUT.',
    args: { input: t.arg({ type: AckInput, required: true }) },
    resolve: (_root, { input }, context) => context.operations.ack(input, context),
  }),
}))
