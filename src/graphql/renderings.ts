import {
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql'
import type { AnyMessage } from '../core/message.ts'
import type { Delivery } from '../hub/delivery.ts'
import type { Body, Rendering } from '../hub/rendering.ts'
import type { TopicEvent } from '../hub/topic-event.ts'
import type { PresenceEvent } from '../presence/presence-event.ts'
import type { PresenceRendering } from '../presence/presence-subscription.ts'
import { cohortKey } from './cohort-key.ts'
import type { GraphQLContext } from './context.ts'
import {
  type DirectRendering,
  directPresenceRendering,
  directRendering,
} from './direct-rendering.ts'
import { formatResult, type ReportError } from './errors.ts'

/** A subscription that is to be rendered, valid and with its variables as the client sent them. */
export interface LiveArgs extends ExecutionArgs {
  readonly contextValue: GraphQLContext
}

/** A rendering in use. */
export interface RenderingUse<R = Rendering> {
  readonly rendering: R
  /** Idempotent. */
  release(): void
}

interface Shared<R> {
  readonly rendering: R
  users: number
}

/** The renderings in use: subscriptions with the same key share one. */
export class Renderings {
  readonly #report: ReportError
  readonly #byKey = new Map<string, Shared<Rendering>>()
  readonly #ofPresence = new Map<string, Shared<PresenceRendering>>()

  constructor(report: ReportError) {
    this.#report = report
  }

  get size(): number {
    return this.#byKey.size + this.#ofPresence.size
  }

  use(args: LiveArgs, source: RenderedSource = MESSAGES): RenderingUse {
    return use(this.#byKey, args, source.delivery?.cohort, (own) => {
      const execution = new Execution(own, this.#report)
      if (source.tellsEvents) {
        const delivery = source.delivery as Delivery<TopicEvent> | undefined // as it tells events
        const shows = {
          render: (event: TopicEvent) => execution.execute(event),
          fail: (error: unknown) => execution.fail(error),
        }
        return new EventRendering(delivery === undefined ? shows : behind(delivery, shows))
      }
      const delivery = source.delivery as Delivery<AnyMessage> | undefined // as it tells messages
      return delivery === undefined ? execution : behind(delivery, execution)
    })
  }

  usePresence(args: LiveArgs, delivery?: Delivery<PresenceEvent>): RenderingUse<PresenceRendering> {
    return use(this.#ofPresence, args, delivery?.cohort, (own) => {
      const execution = new PresenceExecution(own, this.#report)
      return delivery === undefined ? execution : behind(delivery, execution)
    })
  }
}

/** What is to be rendered: messages, or events, and what stands in front of the subscriber. */
export interface RenderedSource {
  readonly tellsEvents: boolean
  readonly delivery: Delivery<AnyMessage> | Delivery<TopicEvent> | undefined
}

const MESSAGES: RenderedSource = { tellsEvents: false, delivery: undefined }

/** Shows something, and what goes wrong instead. */
interface Shows<Shown> {
  render(shown: Shown): Body | Promise<Body>
  fail(error: unknown): Body
}

const NOTHING: Body = Buffer.alloc(0)

/** Renders what a delivery makes of things, once for all; what it throws is shown in their place. */
function behind<Shown extends object>(delivery: Delivery<Shown>, shows: Shows<Shown>) {
  const bodies = new WeakMap<Shown, Promise<Body>>()
  const deliver = async (shown: Shown): Promise<Body> => {
    try {
      const delivered = await delivery.through(shown)
      return delivered === undefined ? NOTHING : await shows.render(delivered)
    } catch (error) {
      return shows.fail(error)
    }
  }
  const render = (shown: Shown): Promise<Body> => {
    const body = bodies.get(shown) ?? deliver(shown)
    bodies.set(shown, body)
    return body
  }
  return { render }
}

/** @param make given the arguments of an operation that may stand for all that share its key */
function use<R>(
  byKey: Map<string, Shared<R>>,
  args: LiveArgs,
  cohort: string | undefined,
  make: (args: ExecutionArgs) => R,
): RenderingUse<R> {
  const { text: selection, isPerViewer } = keyOf(args)
  const text = cohort === undefined ? selection : `${selection}\n\n${cohort}`
  const shared = byKey.get(text) ?? {
    rendering: make(isPerViewer ? args : withoutViewer(args)),
    users: 0,
  }
  byKey.set(text, shared)
  shared.users++
  let used = true
  return {
    rendering: shared.rendering,
    release: () => {
      if (used && --shared.users === 0) byKey.delete(text)
      used = false
    },
  }
}

/** Renders each event of presence once, whoever asks, for as long as someone has it. */
class PresenceExecution implements PresenceRendering {
  readonly #execution: Execution
  readonly #direct: DirectRendering<PresenceEvent> | undefined
  readonly #bodies = new WeakMap<PresenceEvent, Body | Promise<Body>>()

  constructor(args: ExecutionArgs, report: ReportError) {
    const { schema, document, operationName } = args
    this.#execution = new Execution(args, report)
    this.#direct = directPresenceRendering(schema, document, operationOf(document, operationName))
  }

  render(event: PresenceEvent): Body | Promise<Body> {
    const body = this.#bodies.get(event) ?? this.#direct?.(event) ?? this.#execution.execute(event)
    this.#bodies.set(event, body)
    return body
  }

  fail(error: unknown): Body {
    return this.#execution.fail(error)
  }
}

/** Shows messages as events, too. */
class EventRendering implements Rendering {
  readonly renderEvent: (event: TopicEvent) => Body | Promise<Body>

  constructor(shows: Pick<Shows<TopicEvent>, 'render'>) {
    this.renderEvent = (event) => shows.render(event)
  }

  render(message: AnyMessage): Body | Promise<Body> {
    return this.renderEvent({ kind: 'message', message, replayed: false })
  }
}

/** Renders a message by executing the operation with it as the event, or as that would. */
class Execution implements Rendering {
  readonly #args: ExecutionArgs
  readonly #direct: DirectRendering | undefined
  readonly #report: ReportError

  constructor(args: ExecutionArgs, report: ReportError) {
    const { schema, document, operationName } = args
    this.#args = args
    this.#direct = directRendering(schema, document, operationOf(document, operationName))
    this.#report = report
  }

  render(message: AnyMessage): Body | Promise<Body> {
    return this.#direct?.(message) ?? this.execute(message)
  }

  execute(rootValue: AnyMessage | TopicEvent | PresenceEvent): Body | Promise<Body> {
    try {
      const result = execute({ ...this.#args, rootValue })
      if (!(result instanceof Promise)) return this.#encode(result)
      return result
        .then((settled) => this.#encode(settled))
        .catch((error) => this.#encode(failed(error)))
    } catch (error) {
      return this.#encode(failed(error))
    }
  }

  /** What is shown in the place of something that went wrong. */
  fail(error: unknown): Body {
    return this.#encode(failed(error))
  }

  #encode(result: ExecutionResult): Body {
    const formatted = formatResult(result, this.#report)
    // Where a field stands in the document is not the same for all who share this.
    const errors = formatted?.errors?.map(({ locations: _, ...error }) => error)
    return Buffer.from(JSON.stringify(formatted === undefined ? result : { ...formatted, errors }))
  }
}

function failed(error: unknown): ExecutionResult {
  const cause = error instanceof Error ? error : new Error(String(error))
  return { errors: [new GraphQLError(cause.message, { originalError: cause })] }
}

function keyOf({ schema, document, operationName, variableValues, contextValue }: LiveArgs) {
  return cohortKey({
    schema,
    document,
    operation: operationOf(document, operationName),
    variables: variableValues ?? {},
    viewer: contextValue.viewer,
  })
}

function operationOf(
  document: ExecutionArgs['document'],
  operationName: string | null | undefined,
): OperationDefinitionNode {
  const operation = getOperationAST(document, operationName)
  if (operation == null) throw new Error('The document has no such operation.')
  return operation
}

/** For all viewers at once: a field that says it is shared and looks at the viewer fails. */
function withoutViewer(args: LiveArgs): ExecutionArgs {
  const { operations } = args.contextValue
  const contextValue = {
    operations,
    get viewer(): never {
      throw new Error('A field that is shared looked at the viewer.')
    },
  }
  return { ...args, contextValue }
}
