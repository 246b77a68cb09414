import type { Viewer } from '../access/viewer.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { AnswerOf, OperationContext, OperationName } from './operation.ts'

/**
 * Stands around operations. `next()` does the rest, and resolves with its answer. Middleware may change
 * `context.request` before, and answer something else after; where it answers nothing, `next()`'s answer
 * counts. What it throws ends this one operation; without a `next()` and an answer it is refused with
 * PERMISSION_DENIED, but a delivery is left out.
 */
export type Middleware<Name extends OperationName = OperationName> = (
  context: OperationContext<Name>,
  next: () => Promise<AnswerOf<Name>>,
) => // biome-ignore lint/suspicious/noConfusingVoidType: of functions that have no return
Promise<AnswerOf<Name> | void> | AnswerOf<Name> | void

export interface MiddlewareOptions {
  /**
   * What of a subscriber decides how a delivery looks behind this middleware, as a text: subscribers with the
   * same text share the work of `deliver`. Default: everything, so that each subscriber has its own.
   */
  readonly cohort?: (viewer: Viewer) => string
}

/** Which operations it stands around. */
export interface OperationMiddleware<Name extends OperationName> extends MiddlewareOptions {
  /** Default: all. */
  readonly operations?: Name | readonly Name[]
}

type AnyMiddleware = (context: OperationContext, next: () => Promise<unknown>) => unknown

interface Used {
  readonly middleware: AnyMiddleware
  readonly operations: ReadonlySet<OperationName> | undefined
  readonly cohort: ((viewer: Viewer) => string) | undefined
}

/** What stands around operations, the first that was used outermost. */
export class Middlewares {
  readonly #used: Used[] = []
  readonly #chains = new Map<OperationName, readonly AnyMiddleware[]>()

  use<Name extends OperationName>(
    middleware: Middleware<Name>,
    { operations, cohort }: OperationMiddleware<Name> = {},
  ): void {
    const names = typeof operations === 'string' ? [operations] : operations
    this.#used.push({
      middleware: middleware as unknown as AnyMiddleware, // called for its operations only
      operations: names === undefined ? undefined : new Set<OperationName>(names),
      cohort,
    })
    this.#chains.clear()
  }

  /** As it is now: what is used from then on is not in it. */
  frozen(): Middlewares {
    const copy = new Middlewares()
    copy.#used.push(...this.#used)
    return copy
  }

  has(operation: OperationName): boolean {
    return this.#chain(operation).length > 0
  }

  /** Runs an operation inside of what stands around it. */
  async run<Name extends OperationName>(
    context: OperationContext<Name>,
    perform: (request: OperationContext<Name>['request']) => Promise<AnswerOf<Name>>,
  ): Promise<AnswerOf<Name>> {
    const chain = this.#chain(context.operation)
    const step = async (index: number): Promise<unknown> => {
      const middleware = chain[index]
      if (middleware === undefined) return perform(context.request)
      let rest: Promise<unknown> | undefined
      const next = () => {
        rest ??= step(index + 1)
        rest.catch(() => undefined) // it may be awaited later, or not at all
        return rest
      }
      const answer = await middleware(context as OperationContext, next)
      if (answer !== undefined) return answer
      if (rest === undefined) return refused(context.operation)
      return rest
    }
    return (await step(0)) as AnswerOf<Name> // what the innermost answers, or middleware in its place
  }

  /** Equal for two viewers only if `deliver` does the same for both; undefined where nothing stands around it. */
  cohort(viewer: Viewer): string | undefined {
    const used = this.#used.filter(({ operations }) => operations?.has('deliver') ?? true)
    if (used.length === 0) return undefined
    const { kind, userId, clientId, tokenId, capabilities, claims } = viewer
    const whole = () => JSON.stringify([kind, userId, clientId, tokenId, capabilities.list, claims])
    return JSON.stringify(
      used.map(({ cohort }) => (cohort === undefined ? whole() : cohort(viewer))),
    )
  }

  #chain(operation: OperationName): readonly AnyMiddleware[] {
    const known = this.#chains.get(operation)
    if (known !== undefined) return known
    const chain = this.#used
      .filter(({ operations }) => operations?.has(operation) ?? true)
      .map(({ middleware }) => middleware)
    this.#chains.set(operation, chain)
    return chain
  }
}

/** A delivery that is not handed on is left out. */
function refused(operation: OperationName): undefined {
  if (operation === 'deliver') return undefined
  throw new CarillonError('PERMISSION_DENIED', 'A middleware of the server does not let this pass.')
}
