import type { InputShapeFromFields } from '@pothos/core'
import { builder, type SchemaTypes } from './builder.ts'
import { MessageConnection } from './message.ts'

type FieldBuilder = PothosSchemaTypes.FieldBuilder<
  PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>,
  unknown
>

/** The arguments of a history page. */
export function historyArgs(t: Pick<FieldBuilder, 'arg'>) {
  return {
    first: t.arg.int({ description: 'The oldest so many: 1 to 1000.' }),
    after: t.arg({ type: 'Cursor', description: 'Only messages behind this cursor.' }),
    last: t.arg.int({ description: 'The newest so many: 1 to 1000. Not together with `first`.' }),
    before: t.arg({
      type: 'Cursor',
      description: 'Only messages before this cursor. Not together with `after`.',
    }),
    from: t.arg.idList({ description: 'Only messages from these users.' }),
    types: t.arg.stringList({ description: 'Only messages of these types.' }),
  }
}

export type HistoryArgs = InputShapeFromFields<ReturnType<typeof historyArgs>>

builder.queryFields((t) => ({
  messages: t.field({
    type: MessageConnection,
    description:
      'History. With neither `first` nor `last`: the newest 25, or with `after` the 25 that follow it.',
    args: { topic: t.arg({ type: 'TopicName', required: true }), ...historyArgs(t) },
    resolve: (_root, args, context) => context.operations.history(args, context),
  }),
}))
