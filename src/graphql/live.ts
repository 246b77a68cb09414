import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getDirectiveValues,
  getOperationAST,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  subscribe,
} from 'graphql'
import { type AnySubscription, Subscription } from '../hub/subscription.ts'
import { PresenceSubscription } from '../presence/presence-subscription.ts'
import { CarillonError } from '../protocol/errors.ts'
import { isLive } from './extensions.ts'

/** What a live field answers: its events can be pushed, each rendered once for all who show it alike. */
export type LiveSource = AnySubscription | PresenceSubscription

export function isLiveSource(source: unknown): source is LiveSource {
  return source instanceof Subscription || source instanceof PresenceSubscription
}

/**
 * Begins a subscription. For a live field, answers its source, still to be rendered; for others, what GraphQL
 * answers.
 */
export async function openSource(
  args: ExecutionArgs,
): Promise<LiveSource | ExecutionResult | AsyncIterable<ExecutionResult>> {
  const name = rootFieldOf(args)
  if (name === undefined) return withoutField()
  const field = args.schema.getSubscriptionType()?.getFields()[name]
  if (field === undefined || !isLive(field)) return subscribe(args)
  const source = await createSourceEventStream(args)
  if (isLiveSource(source) || !(Symbol.asyncIterator in source)) return source
  throw new Error('A live field has to answer a live source.')
}

/** The results of a subscription, for transports that take them one by one. */
export async function openResults(
  args: ExecutionArgs,
): Promise<ExecutionResult | AsyncIterable<ExecutionResult>> {
  const source = await openSource(args)
  return isLiveSource(source) ? new Results(args, source) : source
}

/** Executes the operation for each event, when the next result is asked for. */
class Results implements AsyncIterableIterator<ExecutionResult> {
  readonly #args: ExecutionArgs
  readonly #source: LiveSource

  constructor(args: ExecutionArgs, source: LiveSource) {
    this.#args = args
    this.#source = source
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    const { done, value } = await this.#source.next()
    if (done === true) return { done, value: undefined }
    const result = await execute({ ...this.#args, rootValue: value })
    const dropped = this.#source instanceof Subscription ? this.#source.takeDropped() : 0
    if (dropped === 0) return { done: false, value: result }
    const extensions = { ...result.extensions, carillon: { dropped } }
    return { done: false, value: { ...result, extensions } }
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    await this.#source.return()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** The name of the field that an operation subscribes to; undefined where directives leave it out. */
function rootFieldOf(args: ExecutionArgs): string | undefined {
  const { document, operationName } = args
  const operation = getOperationAST(document, operationName)
  return operation == null ? undefined : firstField(operation.selectionSet, document)
}

/** The one field that a subscription has, wherever in fragments it stands. */
function firstField({ selections }: SelectionSetNode, document: DocumentNode): string | undefined {
  for (const selection of selections) {
    if (!isIncluded(selection)) continue
    if (selection.kind === Kind.FIELD) return selection.name.value
    const set =
      selection.kind === Kind.INLINE_FRAGMENT
        ? selection.selectionSet
        : fragment(document, selection.name.value)
    const name = set === undefined ? undefined : firstField(set, document)
    if (name !== undefined) return name
  }
  return undefined
}

/** By literals: validation takes no variables in directives around the field of a subscription. */
function isIncluded(selection: SelectionNode): boolean {
  const skip = getDirectiveValues(GraphQLSkipDirective, selection)
  const include = getDirectiveValues(GraphQLIncludeDirective, selection)
  return skip?.if !== true && include?.if !== false
}

function fragment(document: DocumentNode, name: string): SelectionSetNode | undefined {
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === name) {
      return definition.selectionSet
    }
  }
  return undefined
}

/** graphql-js takes it for granted that a subscription has a field. */
function withoutField(): ExecutionResult {
  const error = new CarillonError('INVALID_INPUT', 'The subscription selects no field.')
  return { errors: [new GraphQLError(error.message, { originalError: error })] }
}
