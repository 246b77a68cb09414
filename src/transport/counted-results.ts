import type { ExecutionArgs, ExecutionResult } from 'graphql'
import type { InFlight } from '../access/in-flight.ts'
import type { LimitName } from '../access/limits.ts'
import type { GraphQLContext } from '../graphql/context.ts'
import { toGraphQLError } from '../graphql/errors.ts'
import { openResults } from '../graphql/live.ts'
import { CarillonError } from '../protocol/errors.ts'

export interface CountedResultsParts {
  /** Connections by user; undefined where users are not told apart. */
  readonly perUser: InFlight | undefined
  /** Told the name of a limit that refused something. */
  readonly onLimit: (limit: LimitName) => void
}

/** A stream of results counts as a connection of its user until it ends. */
export async function openCountedResults(
  args: ExecutionArgs,
  { perUser, onLimit }: CountedResultsParts,
): Promise<ExecutionResult | AsyncIterable<ExecutionResult>> {
  if (perUser === undefined) return openResults(args)
  const { viewer } = args.contextValue as GraphQLContext // as http.ts makes it
  try {
    perUser.acquire(viewer.userId)
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    onLimit('connectionsPerUser')
    return { errors: [toGraphQLError(error)] } as ExecutionResult // what it makes of an error of the catalogue
  }
  let isHeld = true
  const release = () => {
    if (isHeld) perUser.release(viewer.userId)
    isHeld = false
  }
  try {
    const results = await openResults(args)
    if (Symbol.asyncIterator in results) return new Releasing(results, release)
    release()
    return results
  } catch (error) {
    release()
    throw error
  }
}

/** Tells once when the results are over. */
class Releasing implements AsyncIterableIterator<ExecutionResult> {
  readonly #results: AsyncIterator<ExecutionResult>
  readonly #release: () => void

  constructor(results: AsyncIterable<ExecutionResult>, release: () => void) {
    this.#results = results[Symbol.asyncIterator]()
    this.#release = release
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    try {
      const result = await this.#results.next()
      if (result.done === true) this.#release()
      return result
    } catch (error) {
      this.#release()
      throw error
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#release()
    await this.#results.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
