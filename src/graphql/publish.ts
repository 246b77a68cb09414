import { DEFAULT_TYPE } from '../publish/publish-request.ts'
import type { Published } from '../publish/publisher.ts'
import { builder } from './builder.ts'
import { Message } from './message.ts'

const PublishInput = builder.inputType('PublishInput', {
  description: 'A message to publish.',
  fields: (t) => ({
    topic: t.field({ type: 'TopicName', required: true }),
    payload: t.field({
      type: 'JSON',
      required: true,
      description: 'Any JSON value but null: at most 32 KiB encoded, and 100 levels deep.',
    }),
    type: t.string({ defaultValue: DEFAULT_TYPE, description: '1 to 128 characters.' }),
    idempotencyKey: t.string({
      description:
        '1 to 128 characters: the same key in the same topic again returns the first message and publishes nothing.',
    }),
    metadata: t.field({ type: 'JSON', description: 'Any JSON value: at most 4 KiB encoded.' }),
    to: t.idList({
      description: 'The only users that get to see it, besides its publisher. Default: everyone.',
    }),
    ephemeral: t.boolean({
      defaultValue: false,
      description: 'Fan out only: no sequence, not stored, never replayed.',
    }),
    encrypted: t.boolean({ defaultValue: false }),
    ttl: t.int({ description: 'Seconds until it expires.' }),
    expectedHead: t.field({
      type: 'Sequence',
      description:
        "Publish only if the topic's head is this sequence (0: only if it is empty); else SEQUENCE_CONFLICT.",
    }),
  }),
})

const PublishPayload = builder.objectRef<Published>('PublishPayload')

PublishPayload.implement({
  description: 'A message that has been committed, or, an ephemeral one, sent out.',
  fields: (t) => ({
    message: t.field({ type: Message, resolve: ({ message }) => message }),
    duplicate: t.exposeBoolean('duplicate', {
      description:
        'True where the idempotency key had been published before: `message` is that first one.',
    }),
  }),
})

builder.mutationFields((t) => ({
  publish: t.field({
    type: PublishPayload,
    description: 'Publishes a message; answers once it is committed.',
    args: { input: t.arg({ type: PublishInput, required: true }) },
    resolve: (_root, { input }, context) => context.operations.publish(input, context),
  }),
  publishMany: t.field({
    type: [PublishPayload],
    description: 'All or nothing, in one commit, in this order. At most 100.',
    args: { inputs: t.arg({ type: [PublishInput], required: true }) },
    resolve: async (_root, { inputs }, context) => context.operations.publishMany(inputs, context),
  }),
}))
