import type {
  DeadLetterPage,
  DeadLetter as DeadLetterValue,
} from '../consumers/dead-letter-store.ts'
import { encodeDeadLetterId } from '../core/global-id.ts'
import { builder, type SchemaTypes } from './builder.ts'
import { Message } from './message.ts'
import { Node } from './node.ts'
import { PageInfo } from './page-info.ts'

const DeadLetter = builder.objectRef<DeadLetterValue>('DeadLetter')

DeadLetter.implement({
  description:
    'A message that a durable consumer could not handle, however often it tried. It belongs to the user of the consumer.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({
      resolve: ({ message: { topic, epoch, sequence }, userId, consumer: name }) =>
        encodeDeadLetterId({ topic, epoch, sequence, userId, name }),
    }),
    consumer: t.exposeID('consumer', { description: 'The name of the consumer.' }),
    message: t.field({
      type: Message,
      description:
        'As it was published: also when its topic keeps it no longer, or it has expired.',
      resolve: ({ message }) => message,
    }),
    attempts: t.exposeInt('attempts', { description: 'Calls of the handler, all in vain.' }),
    error: t.exposeString('error', {
      description: 'What the handler failed with the last time: 1000 characters of it at most.',
    }),
    failedAt: t.expose('failedAt', { type: 'DateTime' }),
  }),
})

const DeadLetterEdge = builder.objectRef<DeadLetterValue>('DeadLetterEdge')

DeadLetterEdge.implement({
  description: 'A dead letter in a page.',
  fields: (t) => ({
    cursor: t.field({
      type: 'Cursor',
      description: 'The position of its message.',
      resolve: ({ message }) => message.cursor,
    }),
    node: t.field({ type: DeadLetter, resolve: (letter) => letter }),
  }),
})

const DeadLetterConnection = builder.objectRef<DeadLetterPage>('DeadLetterConnection')

DeadLetterConnection.implement({
  description: 'Dead letters by the sequences of their messages.',
  fields: (t) => ({
    edges: t.field({ type: [DeadLetterEdge], resolve: ({ letters }) => letters }),
    nodes: t.field({ type: [DeadLetter], resolve: ({ letters }) => letters }),
    pageInfo: t.field({
      type: PageInfo,
      resolve: ({ letters, hasNext, hasPrevious }) => ({
        hasNextPage: hasNext,
        hasPreviousPage: hasPrevious,
        startCursor: letters[0]?.message.cursor,
        endCursor: letters.at(-1)?.message.cursor,
      }),
    }),
  }),
})

type FieldBuilder = PothosSchemaTypes.FieldBuilder<
  PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>,
  unknown
>

/** Which dead letters of the caller. */
function selectionArgs(t: Pick<FieldBuilder, 'arg'>) {
  return {
    topic: t.arg({ type: 'TopicName', required: true }),
    consumer: t.arg.id({ description: 'Only those of this consumer.' }),
  }
}

function actionArgs(t: Pick<FieldBuilder, 'arg'>) {
  return {
    ...selectionArgs(t),
    limit: t.arg.int({
      defaultValue: 100,
      description: 'At most so many, oldest messages first: 1 to 1000.',
    }),
  }
}

builder.queryFields((t) => ({
  deadLetters: t.field({
    type: DeadLetterConnection,
    description:
      "What the caller's consumers could not handle in a topic; the first 25 where `first` is not given. Where several consumers have failed at the last message of a page, it has all of them.",
    args: {
      ...selectionArgs(t),
      first: t.arg.int({ description: '1 to 1000.' }),
      after: t.arg({ type: 'Cursor', description: 'Only those of messages behind this cursor.' }),
    },
    resolve: (_root, args, context) => context.operations.deadLetters(args, context),
  }),
}))

builder.mutationFields((t) => ({
  replayDeadLetters: t.field({
    type: 'Int',
    description:
      'Puts dead letters back to their consumer, which handles them again; returns how many.',
    args: actionArgs(t),
    resolve: (_root, args, context) => context.operations.replayDeadLetters(args, context),
  }),
  discardDeadLetters: t.field({
    type: 'Int',
    description: 'Deletes dead letters; returns how many.',
    args: actionArgs(t),
    resolve: (_root, args, context) => context.operations.discardDeadLetters(args, context),
  }),
}))
