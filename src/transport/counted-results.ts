import type { ExecutionArgs, ExecutionResult } from 'graphql'
import type { InFlight } from '../access/in-flight.ts'
import type { LimitName } from '../access/limits.ts'
import type { GraphQLContext } from '../graphql/context.ts'
import { toGraphQLError } from '../graphql/errors.ts'
import { openResults } from '../graphql/live.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { ConnectionLimits } from './connection-limits.ts'

export interface CountedResultsParts {
  readonly connections: Pick<ConnectionLimits<never>, 'admit' | 'release'>
  /** Connections by user; undefined where users are not told apart. */
  readonly perUser: InFlight | undefined
  /** Told the name of a limit that refused something. */
  readonly onLimit: (limit: LimitName) => void
}

/** Whom a stream is for. */
export interface StreamClient {
  /** Empty where it is not known. */
  readonly address: string
  /** Calls back once it is answered, or gone; at once, where it is so already. */
  readonly onGone: (listener: () => void) => void
}

/** A stream of results counts as a connection of its address and of its user until it ends. */
export async function openCountedResults(
  args: ExecutionArgs,
  client: StreamClient,
  parts: CountedResultsParts,
): Promise<ExecutionResult | AsyncIterable<ExecutionResult>> {
  const { viewer } = args.contextValue as GraphQLContext // as http.ts makes it
  const admitted = admit(viewer.userId, client.address, parts)
  if (admitted instanceof CarillonError) {
    return { errors: [toGraphQLError(admitted)] } as ExecutionResult // what it makes of an error of the catalogue
  }
  try {
    const results = await openResults(args)
    if (!(Symbol.asyncIterator in results)) {
      admitted()
      return results
    }
    const counted = new Releasing(results, admitted)
    // A client that left before its stream began, or one that takes no streams, leaves the results unread.
    client.onGone(() => void counted.return().catch(() => undefined))
    return counted
  } catch (error) {
    admitted()
    throw error
  }
}

/** Counts a stream; answers why not, or what counts it no more. */
function admit(
  userId: string,
  address: string,
  { connections, perUser, onLimit }: CountedResultsParts,
): CarillonError | (() => void) {
  const refusal = connections.admit(address)
  if (refusal !== undefined) return refusal
  try {
    perUser?.acquire(userId)
  } catch (error) {
    connections.release(address)
    if (!(error instanceof CarillonError)) throw error
    onLimit('connectionsPerUser')
    return error
  }
  let isHeld = true
  return () => {
    if (!isHeld) return
    isHeld = false
    connections.release(address)
    perUser?.release(userId)
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
