import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  getOperationAST,
  Kind,
  type SelectionSetNode,
  subscribe,
} from 'graphql'
import { Subscription } from '../hub/subscription.ts'
import { isLive } from './extensions.ts'

/**
 * Begins a subscription. For a field that the hub delivers, answers the hub's subscription, still to be
 * rendered; for others, what GraphQL answers.
 */
export async function openSource(
  args: ExecutionArgs,
): Promise<Subscription | ExecutionResult | AsyncIterable<ExecutionResult>> {
  if (!isLiveOperation(args)) return subscribe(args)
  const source = await createSourceEventStream(args)
  if (source instanceof Subscription || !(Symbol.asyncIterator in source)) return source
  throw new Error('A live field has to answer a subscription of the hub.')
}

/** The results of a subscription, for transports that take them one by one. */
export async function openResults(
  args: ExecutionArgs,
): Promise<ExecutionResult | AsyncIterable<ExecutionResult>> {
  const source = await openSource(args)
  return source instanceof Subscription ? new Results(args, source) : source
}

/** Executes the operation for each message, when the next result is asked for. */
class Results implements AsyncIterableIterator<ExecutionResult> {
  readonly #args: ExecutionArgs
  readonly #source: Subscription

  constructor(args: ExecutionArgs, source: Subscription) {
    this.#args = args
    this.#source = source
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    const { done, value } = await this.#source.next()
    if (done === true) return { done, value: undefined }
    const result = await execute({ ...this.#args, rootValue: value })
    const dropped = this.#source.takeDropped()
    if (dropped === 0) return { done: false, value: result }
    return { done: false, value: { ...result, extensions: { ...result.extensions, dropped } } }
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    await this.#source.return()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

function isLiveOperation({ schema, document, operationName }: ExecutionArgs): boolean {
  const operation = getOperationAST(document, operationName)
  const fields = schema.getSubscriptionType()?.getFields() ?? {}
  const name = operation == null ? undefined : rootField(operation.selectionSet, document)
  const field = name === undefined ? undefined : fields[name]
  return field !== undefined && isLive(field)
}

/** The one field that a subscription has, wherever in fragments it stands. */
function rootField(
  { selections }: SelectionSetNode,
  document: ExecutionArgs['document'],
): string | undefined {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) return selection.name.value
    const set =
      selection.kind === Kind.INLINE_FRAGMENT
        ? selection.selectionSet
        : fragment(document, selection.name.value)
    const name = set === undefined ? undefined : rootField(set, document)
    if (name !== undefined) return name
  }
  return undefined
}

function fragment(document: ExecutionArgs['document'], name: string): SelectionSetNode | undefined {
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === name) {
      return definition.selectionSet
    }
  }
  return undefined
}
