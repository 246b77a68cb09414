import type { PresenceEvent as PresenceEventValue } from '../presence/presence-event.ts'
import type { PresenceMember as PresenceMemberValue } from '../presence/session.ts'
import { builder } from './builder.ts'
import { carillon } from './extensions.ts'

export const PresenceMember = builder.objectRef<PresenceMemberValue>('PresenceMember')

PresenceMember.implement({
  description: 'One user in a topic, however many clients they have open.',
  extensions: carillon({ shared: true }),
  fields: (t) => ({
    userId: t.exposeID('userId'),
    clientIds: t.field({
      type: ['ID'],
      description: 'The clients by which the user is there.',
      resolve: ({ clientIds }) => clientIds,
    }),
    state: t.expose('state', {
      type: 'JSON',
      nullable: true,
      description: 'What that client of the user says which said something last.',
    }),
    joinedAt: t.expose('joinedAt', {
      type: 'DateTime',
      description: 'Since when the user has been there.',
    }),
    lastSeenAt: t.expose('lastSeenAt', {
      type: 'DateTime',
      description: 'When the user last entered or said a state.',
    }),
  }),
})

const PresenceEventType = builder.enumType('PresenceEventType', {
  description: 'What an event of presence says.',
  values: {
    SYNC: {
      description:
        'Everyone present now. Always the first event, and sent again after the server had to resynchronise.',
    },
    JOIN: { description: 'Users came.' },
    UPDATE: { description: 'Users say another state, or are there by other clients.' },
    LEAVE: { description: 'Users went, with their last client.' },
  },
})

const PresenceEvent = builder.objectRef<PresenceEventValue>('PresenceEvent')

PresenceEvent.implement({
  description: 'Who is in a topic, or what changed about it.',
  extensions: carillon({ shared: true }),
  fields: (t) => ({
    type: t.expose('type', { type: PresenceEventType }),
    topic: t.expose('topic', { type: 'TopicName' }),
    members: t.field({
      type: [PresenceMember],
      description: 'Everyone, for a SYNC; else those whom the event is about.',
      resolve: ({ members }) => members,
    }),
  }),
})

const PresenceInput = builder.inputType('PresenceInput', {
  description: 'As what a client enters topics.',
  fields: (t) => ({
    state: t.field({
      type: 'JSON',
      description: 'What others are to see: any JSON value, at most 4 KiB encoded.',
    }),
  }),
})

builder.queryFields((t) => ({
  presence: t.field({
    type: [PresenceMember],
    description: 'Who is in a topic, in the order of their user ids.',
    args: { topic: t.arg({ type: 'TopicName', required: true }) },
    resolve: (_root, args, context) => context.operations.members(args, context),
  }),
}))

builder.mutationFields((t) => ({
  updatePresence: t.field({
    type: PresenceMember,
    description:
      'Says another state of this client, which has entered the topic: over the same connection, or with the same client id.',
    args: {
      topic: t.arg({ type: 'TopicName', required: true }),
      state: t.arg({
        type: 'JSON',
        description: 'Any JSON value, at most 4 KiB encoded; null for none.',
      }),
    },
    resolve: (_root, args, context) => context.operations.updatePresence(args, context),
  }),
}))

builder.subscriptionFields((t) => ({
  presence: t.field({
    type: PresenceEvent,
    description:
      'Who is here, as a SYNC followed by changes. With `enter`, this client is itself present in the topics for as long as the subscription lives (then no patterns, names only).',
    extensions: carillon({ live: true, shared: true }),
    args: {
      topics: t.arg({
        type: ['TopicPattern'],
        required: true,
        description:
          '1 to 100 topics and patterns. Under a pattern, topics in which someone is have a SYNC, and others begin with their first JOIN.',
      }),
      enter: t.arg({ type: PresenceInput }),
    },
    subscribe: (_root, args, context) => context.operations.presence(args, context),
    resolve: (event) => event,
  }),
}))
