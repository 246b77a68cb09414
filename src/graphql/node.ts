import type { Consumer } from '../consumers/consumer-store.ts'
import type { DeadLetter } from '../consumers/dead-letter-store.ts'
import { decodeGlobalId } from '../core/global-id.ts'
import { type AnyMessage, EphemeralMessage, Message } from '../core/message.ts'
import type { TopicState } from '../log/log.ts'
import { builder } from './builder.ts'
import type { GraphQLContext } from './context.ts'

/** What a node can be. */
export type NodeValue = AnyMessage | TopicState | Consumer | DeadLetter

export const Node = builder.interfaceRef<NodeValue>('Node')

Node.implement({
  description: 'Something that can be fetched again by its id.',
  fields: (t) => ({ id: t.id({ resolve: () => unreachable() }) }),
  resolveType: (value) => {
    if (value instanceof Message || value instanceof EphemeralMessage) return 'Message'
    if ('failedAt' in value) return 'DeadLetter'
    return 'acked' in value ? 'Consumer' : 'Topic'
  },
})

builder.queryFields((t) => ({
  node: t.field({
    type: Node,
    nullable: true,
    description: 'What this id stands for; null where it is not there, or not for the caller.',
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, context) => load(id, context),
  }),
  nodes: t.field({
    type: [Node],
    nullable: { list: false, items: true },
    description: 'As `node`, for at most 100 ids, in their order.',
    args: { ids: t.arg.idList({ required: true }) },
    resolve: async (_root, { ids }, context) => {
      await context.operations.ensureFewNodes(ids)
      return Promise.all(ids.map((id) => load(id, context)))
    },
  }),
}))

/** What the caller may not see is not there. */
async function load(id: string, context: GraphQLContext): Promise<NodeValue | null> {
  const { operations, viewer } = context
  const node = decodeGlobalId(id)
  switch (node?.kind) {
    case undefined:
      return null
    case 'Topic':
      return (await operations.visibleTopic(node, context)) ?? null
    case 'Message':
      return (await operations.message(node, context)) ?? null
    case 'Consumer':
      if (node.userId !== viewer.userId) return null
      return (await operations.visibleConsumer(node, context)) ?? null
    case 'DeadLetter':
      if (node.userId !== viewer.userId) return null
      return (await operations.deadLetter({ ...node, consumer: node.name }, context)) ?? null
    default:
      return node satisfies never
  }
}

/** Every implementation of the interface has its own `id`. */
function unreachable(): never {
  throw new Error('The interface Node resolves no ids itself.')
}
