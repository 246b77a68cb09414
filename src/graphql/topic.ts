import type { Cursor } from '../core/cursor.ts'
import { encodeTopicId } from '../core/global-id.ts'
import type { TopicState, TopicsPage } from '../log/log.ts'
import { listCursor } from '../operations/topics.ts'
import { builder } from './builder.ts'
import { historyArgs } from './history.ts'
import { MessageConnection } from './message.ts'
import { Node } from './node.ts'
import { PageInfo } from './page-info.ts'
import { PresenceMember } from './presence.ts'
import { Snapshot } from './snapshot.ts'

const Topic = builder.objectRef<TopicState>('Topic')

Topic.implement({
  description:
    'A named, ordered log of messages. Every valid name is a topic: one never published to is empty, not missing.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ resolve: ({ name }) => encodeTopicId(name) }),
    name: t.expose('name', { type: 'TopicName' }),
    epoch: t.exposeID('epoch', {
      description:
        "Changes when the topic's numbering starts again (purge, restore). Sequences of two epochs do not compare.",
    }),
    headSequence: t.expose('head', {
      type: 'Sequence',
      description: 'The newest sequence given out; 0 for an empty topic.',
    }),
    tailSequence: t.expose('tail', {
      type: 'Sequence',
      description: 'The oldest sequence still kept; 0 where none is.',
    }),
    messages: t.field({
      type: MessageConnection,
      description: "The topic's history, as `Query.messages`.",
      args: historyArgs(t),
      resolve: ({ name }, args, context) =>
        context.operations.history({ topic: name, ...args }, context),
    }),
    presence: t.field({
      type: [PresenceMember],
      description: 'Who is in the topic, in the order of their user ids.',
      resolve: ({ name }, _args, context) => context.operations.members({ topic: name }, context),
    }),
    snapshot: t.field({
      type: Snapshot,
      nullable: true,
      description: 'The newest state that was saved; null where none was.',
      resolve: async ({ name }, _args, context) =>
        (await context.operations.snapshot({ topic: name }, context)) ?? null,
    }),
  }),
})

const TopicEdge = builder.objectRef<TopicState>('TopicEdge')

TopicEdge.implement({
  description: 'A topic in a page.',
  fields: (t) => ({
    cursor: t.field({ type: 'Cursor', resolve: listCursor }),
    node: t.field({ type: Topic, resolve: (topic) => topic }),
  }),
})

const TopicConnection = builder.objectRef<TopicsPage>('TopicConnection')

TopicConnection.implement({
  description: 'Topics in byte order of their names.',
  fields: (t) => ({
    edges: t.field({ type: [TopicEdge], resolve: ({ topics }) => topics }),
    nodes: t.field({ type: [Topic], resolve: ({ topics }) => topics }),
    pageInfo: t.field({
      type: PageInfo,
      resolve: ({ topics, hasNext, hasPrevious }) => ({
        hasNextPage: hasNext,
        hasPreviousPage: hasPrevious,
        startCursor: cursorOf(topics[0]),
        endCursor: cursorOf(topics.at(-1)),
      }),
    }),
  }),
})

builder.mutationFields((t) => ({
  purgeTopic: t.field({
    type: Topic,
    description:
      'Removes every message and starts a new epoch; consumers and the snapshot of the topic go with it. An empty topic stays as it is.',
    args: {
      topic: t.arg({ type: 'TopicName', required: true }),
      expectedEpoch: t.arg.id({
        description:
          'Purge only while the topic has this epoch, and leave it as it is where it has not: a retry then removes nothing newer.',
      }),
    },
    resolve: (_root, args, context) => context.operations.purge(args, context),
  }),
}))

builder.queryFields((t) => ({
  topic: t.field({
    type: Topic,
    description: 'Where a topic stands.',
    args: { name: t.arg({ type: 'TopicName', required: true }) },
    resolve: (_root, { name }, context) => context.operations.topic({ topic: name }, context),
  }),
  topics: t.field({
    type: TopicConnection,
    description:
      'The topics that have messages and that the caller may read, by name; the first 25 where `first` is not given.',
    args: {
      prefix: t.arg.string({ description: 'Only names that begin with this.' }),
      first: t.arg.int({ description: '1 to 1000.' }),
      after: t.arg({ type: 'Cursor', description: 'Only names behind the one of this cursor.' }),
    },
    resolve: (_root, args, context) => context.operations.topics(args, context),
  }),
}))

function cursorOf(topic: TopicState | undefined): Cursor | undefined {
  return topic === undefined ? undefined : listCursor(topic)
}
