import type { Access, Need } from '../access/access.ts'
import { type Guarded, LiveAccess } from '../access/live-access.ts'
import type { Viewer } from '../access/viewer.ts'
import type { ConsumerHandler } from '../consumers/consume-request.ts'
import type { Delivery } from '../hub/delivery.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Caller } from './caller.ts'
import type { Middlewares } from './middleware.ts'
import type {
  AnswerOf,
  Delivered,
  OperationContext,
  OperationName,
  RequestOf,
} from './operation.ts'

export interface GateParts {
  readonly access: Access
  readonly middlewares: Middlewares
  /** Told the name of a limit that refused something. */
  readonly onLimit: (limit: string) => void
}

/** What an operation takes, and what it does. */
export interface Deed<Name extends OperationName> {
  /** Of the request as the caller made it: middleware is trusted. May throw where the request is not valid. */
  readonly needs: () => readonly Need[]
  readonly perform: (request: RequestOf<Name>) => Promise<AnswerOf<Name>>
}

/** What stays open. */
export interface Openable extends Guarded {
  close(): void
  closeOn(signal: AbortSignal): void
}

export interface Opening<Name extends OperationName, S> {
  readonly caller: Caller
  readonly needs: () => readonly Need[]
  readonly open: (request: RequestOf<Name>) => Promise<S>
}

/** How what a subscription hands out is shown to middleware. */
export interface Wrapping<Item> {
  wrap(item: Item): Delivered
  /** Undefined where middleware made something of it that this subscription does not hand out. */
  unwrap(delivered: Delivered): Item | undefined
}

/** Lets operations pass: those that are permitted, through the middleware, with limits counted. */
export class Gate {
  readonly #parts: GateParts

  constructor(parts: GateParts) {
    this.#parts = parts
  }

  async run<Name extends OperationName>(
    context: OperationContext<Name>,
    { needs, perform }: Deed<Name>,
  ): Promise<AnswerOf<Name>> {
    return this.counting(() => this.pass(context, { needs, perform }))
  }

  /** As `run`, for a part of what is counted as a whole. */
  async pass<Name extends OperationName>(
    context: OperationContext<Name>,
    { needs, perform }: Deed<Name>,
  ): Promise<AnswerOf<Name>> {
    const { access, middlewares } = this.#parts
    await access.check(context.viewer, needs())
    if (!middlewares.has(context.operation)) return await perform(context.request)
    return await middlewares.run(context, perform)
  }

  /** Counts the limit that refuses this, once. */
  async counting<Answer>(work: () => Answer | Promise<Answer>): Promise<Answer> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof CarillonError && error.limit !== undefined) {
        this.#parts.onLimit(error.limit)
      }
      throw error
    }
  }

  /** As `run`, for what changes nothing: who is revoked meanwhile does not get it. */
  async read<Name extends OperationName>(
    context: OperationContext<Name>,
    deed: Deed<Name>,
  ): Promise<AnswerOf<Name>> {
    const answer = await this.run(context, deed)
    this.#parts.access.ensureValid(context.viewer)
    return answer
  }

  /** As `read`; undefined where it is not permitted. */
  readWhereAllowed<Name extends OperationName>(
    context: OperationContext<Name>,
    deed: Deed<Name>,
  ): Promise<AnswerOf<Name> | undefined> {
    return this.undefinedWhereDenied(() => this.read(context, deed))
  }

  async undefinedWhereDenied<Answer>(read: () => Promise<Answer>): Promise<Answer | undefined> {
    try {
      return await read()
    } catch (error) {
      if (error instanceof CarillonError && error.code === 'PERMISSION_DENIED') return undefined
      throw error
    }
  }

  /** Opens what stays open until its needs are covered no more. */
  async open<Name extends 'subscribe' | 'presence', S extends Openable>(
    context: OperationContext<Name>,
    { caller, needs, open }: Opening<Name, S>,
  ): Promise<S> {
    let opened: S | undefined
    const perform = async (request: RequestOf<Name>) => {
      opened = await open(request)
      return undefined as AnswerOf<Name> // of what is opened, middleware gets nothing to change
    }
    try {
      await this.run(context, { needs, perform })
    } catch (error) {
      opened?.close()
      throw error
    }
    if (opened === undefined) throw new CarillonError('PERMISSION_DENIED')
    if (caller.signal !== undefined) opened.closeOn(caller.signal)
    this.guard(opened, caller, needs())
    return opened
  }

  /** What stands between what happens and a subscriber; undefined where nothing does. */
  delivery<Item>(viewer: Viewer, { wrap, unwrap }: Wrapping<Item>): Delivery<Item> | undefined {
    const cohort = this.#parts.middlewares.cohort(viewer)
    if (cohort === undefined) return undefined
    const middlewares = this.#parts.middlewares.frozen() // as the cohort is of those there are now
    return {
      cohort,
      through: async (item) => {
        const context = { operation: 'deliver' as const, viewer, request: wrap(item) }
        const delivered = await middlewares.run(context, async (changed) => changed)
        return delivered === undefined ? undefined : unwrap(delivered)
      },
    }
  }

  /** A handler of messages, behind what stands around deliveries. */
  handler(viewer: Viewer, handle: ConsumerHandler): ConsumerHandler {
    const { middlewares } = this.#parts
    if (!middlewares.has('deliver') || typeof handle !== 'function') return handle
    return async (message, context) => {
      const request: Delivered = { kind: 'message', message, replayed: false }
      const deliver = { operation: 'deliver' as const, viewer, request }
      const delivered = await middlewares.run(deliver, async (changed) => changed)
      if (delivered?.kind !== 'message' || delivered.message.ephemeral) return undefined
      return handle(delivered.message, context)
    }
  }

  /**
   * Middleware sees no start of a consumer: it could not, for one, keep tenants apart there.
   * @throws CarillonError PERMISSION_DENIED where somebody else than a backend is to consume behind middleware
   */
  ensureNoMiddleware({ kind }: Viewer): void {
    const { middlewares } = this.#parts
    if (kind === 'backend' || !(middlewares.has('subscribe') || middlewares.has('deliver'))) return
    const text = 'Where there is middleware around subscriptions, only backends consume.'
    throw new CarillonError('PERMISSION_DENIED', text)
  }

  /** Ends it once its needs are covered no more. */
  guard(opened: Guarded, { viewer, live }: Caller, needs: readonly Need[]): void {
    const access = live ?? new LiveAccess(viewer, { access: this.#parts.access })
    if (live === undefined) opened.onClosed(() => access.close())
    access.guard(opened, needs, viewer)
  }
}
