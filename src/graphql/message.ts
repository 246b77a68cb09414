import type { AnyMessage, Message as StoredMessage } from '../core/message.ts'
import type { Page } from '../log/log.ts'
import { builder } from './builder.ts'
import { carillon } from './extensions.ts'
import { Node } from './node.ts'
import { PageInfo } from './page-info.ts'

export const Message = builder.objectRef<AnyMessage>('Message')

Message.implement({
  description: 'One message of a topic, with its place in the log unless it is ephemeral.',
  extensions: carillon({ shared: true }),
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', {
      description: 'Unique over all topics and opaque, so that a normalised cache may key on it.',
    }),
    idempotencyKey: t.exposeString('idempotencyKey', {
      nullable: true,
      description:
        'The key the publisher gave, unique in its topic; how a client knows its own message again.',
    }),
    topic: t.expose('topic', { type: 'TopicName' }),
    sequence: t.expose('sequence', {
      type: 'Sequence',
      nullable: true,
      description: 'Null for an ephemeral message: it has no place in the log.',
    }),
    cursor: t.expose('cursor', {
      type: 'Cursor',
      nullable: true,
      description:
        'Pass it as `after` or `before` to stand right at this message. Null for an ephemeral message.',
    }),
    type: t.exposeString('type', {
      description:
        "What kind of event this is, e.g. message.created; 'message' where the publisher named none.",
    }),
    payload: t.expose('payload', { type: 'JSON' }),
    metadata: t.expose('metadata', { type: 'JSON', nullable: true }),
    encrypted: t.exposeBoolean('encrypted', {
      description:
        'The publisher says that the payload is end-to-end encrypted; the server never looks inside.',
    }),
    ephemeral: t.exposeBoolean('ephemeral', {
      description: 'Fanned out only: no sequence, not stored, never replayed.',
    }),
    from: t.exposeID('from', { description: 'The user that published it, as authenticated.' }),
    clientId: t.exposeID('clientId', {
      nullable: true,
      description: 'The client (a device or a tab) that published it, where it named itself.',
    }),
    to: t.idList({
      nullable: true,
      description: 'The only users that may see it; null means every subscriber of the topic.',
      resolve: ({ to }) => to,
    }),
    publishedAt: t.expose('publishedAt', { type: 'DateTime' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'After this instant it is neither delivered nor returned by history.',
    }),
  }),
})

const MessageEdge = builder.objectRef<StoredMessage>('MessageEdge')

MessageEdge.implement({
  description: 'A message in a page.',
  fields: (t) => ({
    cursor: t.expose('cursor', { type: 'Cursor' }),
    node: t.field({ type: Message, resolve: (message) => message }),
  }),
})

export const MessageConnection = builder.objectRef<Page>('MessageConnection')

MessageConnection.implement({
  description: 'Always oldest first, whichever way it was paged.',
  fields: (t) => ({
    edges: t.field({ type: [MessageEdge], resolve: ({ messages }) => messages }),
    nodes: t.field({ type: [Message], resolve: ({ messages }) => messages }),
    pageInfo: t.field({
      type: PageInfo,
      resolve: ({ messages, hasNext, hasPrevious }) => ({
        hasNextPage: hasNext,
        hasPreviousPage: hasPrevious,
        startCursor: messages[0]?.cursor,
        endCursor: messages.at(-1)?.cursor,
      }),
    }),
    headSequence: t.field({ type: 'Sequence', resolve: ({ topic }) => topic.head }),
  }),
})
