import {
  type Argument,
  argumentValue,
  type Definition,
  type Document,
  field,
  listType,
  name,
  on,
  type Selection,
  type SelectionSet,
  selecting,
  variable,
  variablesIn,
} from './ast.ts'

/** The keys of what is selected besides. */
export const ADDED = {
  /** What the application selects of a message. */
  data: 'carillonData',
  message: 'carillonMessage',
  topic: 'carillonTopic',
  cursor: 'carillonCursor',
  fromSequence: 'carillonFromSequence',
  toSequence: 'carillonToSequence',
  reason: 'carillonReason',
  snapshot: 'carillonSnapshot',
} as const

const AFTER = 'carillonAfter'

/** A subscription to messages or events, and what it is sent as so that each result says where it stands. */
export interface FollowedDocument {
  /** What is sent: always a subscription to events, which also say what came to pass without a message. */
  readonly document: Document
  readonly kind: 'messages' | 'events'
  /** The key of the one field in results. */
  readonly key: string
  /** The variable with the cursors behind which it goes on. */
  readonly afterVariable: string
  /** Of the field as it was written. */
  readonly args: readonly Argument[]
  /** What variables are that are not given. */
  readonly defaults: Readonly<Record<string, unknown>>
}

/** Documents are written once and used often, and clients print a document once as long as it is the same object. */
const known = new WeakMap<Document, FollowedDocument | null>()

/** Undefined for documents that are no subscription to messages or events. */
export function followedDocument(document: Document): FollowedDocument | undefined {
  const old = known.get(document)
  if (old !== undefined) return old ?? undefined
  const followed = follow(document)
  known.set(document, followed ?? null)
  return followed
}

function follow(document: Document): FollowedDocument | undefined {
  const operation = document.definitions.find(({ kind }) => kind === 'OperationDefinition')
  const [root, ...others] = operation?.selectionSet?.selections ?? []
  if (operation?.operation !== 'subscription' || root === undefined || others.length > 0) return
  const kind = root.kind === 'Field' ? root.name?.value : undefined
  if (kind !== 'messages' && kind !== 'events') return undefined
  const args = root.arguments ?? []
  const afterVariable = variableOf(args, 'after') ?? AFTER
  const key = root.alias?.value ?? kind
  const sent = { ...root, ...field('events', key, withPlace(kind, root.selectionSet)) }
  const after = { kind: 'Argument', name: name('after'), value: variable(afterVariable) }
  const sentField = { ...sent, arguments: [...args.filter(isKept), after] }
  return {
    document: replaced(document, operation, sentField),
    kind,
    key,
    afterVariable,
    args,
    defaults: defaultsOf(operation),
  }
}

function defaultsOf({ variableDefinitions = [] }: Definition): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable: { name: own }, defaultValue }) =>
      defaultValue === undefined ? [] : [[own.value, argumentValue(defaultValue, {})]],
    ),
  )
}

/** The policy for gaps is the business of who follows: the server tells of each one. */
function isKept({ name: { value } }: Argument): boolean {
  return value !== 'after' && value !== 'onGap'
}

function variableOf(args: readonly Argument[], argument: string): string | undefined {
  const value = args.find((one) => one.name.value === argument)?.value
  return value?.kind === 'Variable' ? value.name?.value : undefined
}

function withPlace(
  kind: 'messages' | 'events',
  selected: SelectionSet = selecting(),
): SelectionSet {
  const place = selecting(field('topic'), field('sequence'), field('cursor'))
  const own =
    kind === 'events'
      ? selected.selections
      : [on('MessageEvent', field('message', ADDED.data, selected))]
  return selecting(
    ...own,
    on('MessageEvent', field('message', ADDED.message, place)),
    on('CaughtUpEvent', field('topic', ADDED.topic), field('cursor', ADDED.cursor)),
    on(
      'GapEvent',
      field('topic', ADDED.topic),
      field('fromSequence', ADDED.fromSequence),
      field('toSequence', ADDED.toSequence),
      field('reason', ADDED.reason),
    ),
    on('SnapshotEvent', field('snapshot', ADDED.snapshot, place)),
  )
}

/** With another field, and with definitions of those variables that are used then. */
function replaced(document: Document, operation: Definition, sent: Selection): Document {
  const others = document.definitions.filter((one) => one !== operation)
  const used = variablesIn([sent, others])
  const kept = (operation.variableDefinitions ?? []).filter((one) => used.has(nameOf(one)))
  const after = variableOf(sent.arguments ?? [], 'after')
  const added = kept.some((one) => nameOf(one) === after)
    ? []
    : [{ kind: 'VariableDefinition', variable: variable(AFTER), type: listType('Cursor') }]
  const changed = {
    ...operation,
    variableDefinitions: [...kept, ...added],
    selectionSet: selecting(sent),
  }
  return { kind: document.kind, definitions: [changed, ...others] }
}

function nameOf({ variable }: { variable: { name: { value: string } } }): string {
  return variable.name.value
}
