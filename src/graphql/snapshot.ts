import type { Snapshot as SnapshotValue } from '../core/snapshot.ts'
import { builder } from './builder.ts'
import { carillon } from './extensions.ts'

export const Snapshot = builder.objectRef<SnapshotValue>('Snapshot')

Snapshot.implement({
  description:
    'Consolidated state of a topic as of one sequence, to start from instead of replaying everything.',
  extensions: carillon({ shared: true }),
  fields: (t) => ({
    topic: t.expose('topic', { type: 'TopicName' }),
    sequence: t.expose('sequence', {
      type: 'Sequence',
      description: 'The newest message whose effect is in the state.',
    }),
    cursor: t.expose('cursor', {
      type: 'Cursor',
      description: 'Subscribe behind this to go on from the state.',
    }),
    state: t.expose('state', { type: 'JSON' }),
    savedAt: t.expose('savedAt', { type: 'DateTime' }),
  }),
})

const SnapshotInput = builder.inputType('SnapshotInput', {
  description: 'State to save.',
  fields: (t) => ({
    topic: t.field({ type: 'TopicName', required: true }),
    sequence: t.field({
      type: 'Sequence',
      required: true,
      description: "The newest message whose effect is in the state: 1 to the topic's head.",
    }),
    state: t.field({
      type: 'JSON',
      required: true,
      description: 'Any JSON value but null: at most 1 MiB encoded, and 100 levels deep.',
    }),
  }),
})

builder.mutationFields((t) => ({
  saveSnapshot: t.field({
    type: Snapshot,
    description:
      "Saves a topic's state in the place of an older one; one behind that which is stored is SEQUENCE_CONFLICT, one past the head INVALID_INPUT.",
    args: { input: t.arg({ type: SnapshotInput, required: true }) },
    resolve: (_root, { input }, context) => context.operations.saveSnapshot(input, context),
  }),
}))
