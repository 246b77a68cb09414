import { builder, type SchemaTypes } from './builder.ts'

type FieldBuilder = PothosSchemaTypes.FieldBuilder<
  PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>,
  unknown
>

export const GapPolicy = builder.enumType('GapPolicy', {
  description: 'What happens where messages are no longer there.',
  values: {
    FAIL: { description: 'End the subscription with the error CURSOR_EXPIRED.' },
    SKIP: { description: 'Go on with the oldest message that is still kept.' },
  },
})

/** The arguments of a subscription to topics: which they are, where it begins, and what is left out. */
export function subscriptionArgs(t: Pick<FieldBuilder, 'arg'>) {
  return {
    topics: t.arg({
      type: ['TopicPattern'],
      required: true,
      description: '1 to 100 topics and patterns. A message that several of them match comes once.',
    }),
    after: t.arg({
      type: ['Cursor'],
      description:
        'Begin behind these, at most one cursor a topic; topics without one begin where they stand.',
    }),
    last: t.arg.int({
      description: 'Topics without a cursor begin with the newest N messages, 1 to 1000.',
    }),
    consumer: t.arg.id({
      description:
        'Topics without a cursor begin behind what this durable consumer has acknowledged, those that it never acknowledged in at their beginning. Not together with `last`.',
    }),
    from: t.arg.idList({ description: 'Only messages from these users.' }),
    types: t.arg.stringList({ description: 'Only messages of these types.' }),
    echo: t.arg.boolean({
      defaultValue: true,
      description: 'False: leave out what this same client published.',
    }),
    maxPerSecond: t.arg.int({
      description:
        'At most this many a second, 1 to 1000; when more come, the oldest of the window are left out. The next result says how many, in `extensions.carillon.dropped`.',
    }),
  }
}
