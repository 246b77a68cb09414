import { ACTIONS } from '../access/action.ts'
import type { Capability as CapabilityValue } from '../access/capabilities.ts'
import type { Viewer as ViewerValue } from '../access/viewer.ts'
import type { TopicPattern } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import { builder } from './builder.ts'

const DESCRIPTIONS = {
  SUBSCRIBE: 'Get messages as they are published.',
  PUBLISH: 'Publish messages.',
  HISTORY: 'Read what was published: pages of history, and subscriptions that begin in the past.',
  PRESENCE: 'See who is there, and be there.',
  ACK: 'Keep durable consumers, with their dead letters.',
  ADMIN: 'Purge topics and save snapshots.',
} as const satisfies Record<(typeof ACTIONS)[number], string>

const Action = builder.enumType('Action', {
  description: 'What may be done in a topic.',
  values: Object.fromEntries(
    ACTIONS.map((action) => [action, { description: DESCRIPTIONS[action] }]),
  ) as Record<(typeof ACTIONS)[number], { description: string }>,
})

const Capability = builder.objectRef<CapabilityValue>('Capability')

Capability.implement({
  description: 'What a caller may do in some topics.',
  fields: (t) => ({
    topics: t.field({
      type: 'TopicPattern',
      description:
        'A topic or a pattern; a star alone, which nobody can subscribe to, for every topic.',
      resolve: ({ topics }) => topics as TopicPattern, // what is shown is no argument
    }),
    actions: t.field({ type: [Action], resolve: ({ actions }) => actions }),
  }),
})

const Viewer = builder.objectRef<ViewerValue>('Viewer')

Viewer.implement({
  description: 'Whom the server takes this client for.',
  fields: (t) => ({
    userId: t.exposeID('userId'),
    clientId: t.exposeID('clientId', { nullable: true }),
    capabilities: t.field({
      type: [Capability],
      description: 'Topic patterns with what may be done there.',
      resolve: ({ capabilities }) => capabilities.list,
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the credentials run out; null for never.',
    }),
  }),
})

builder.queryFields((t) => ({
  viewer: t.field({
    type: Viewer,
    description: 'Whom the server takes this client for.',
    resolve: (_root, _args, { operations, viewer }) => {
      operations.ensureValid(viewer)
      return viewer
    },
  }),
}))

builder.mutationFields((t) => ({
  refreshToken: t.field({
    type: Viewer,
    description:
      'Gives this connection fresh credentials of the same user before the old ones run out, or within 30 seconds after. Over a WebSocket only: over HTTP each request brings its own.',
    args: { token: t.arg.string({ required: true }) },
    resolve: (_root, { token }, { renew }) => {
      if (renew !== undefined) return renew(token)
      throw new CarillonError('INVALID_INPUT', 'Over HTTP each request brings its own credentials.')
    },
  }),
}))
