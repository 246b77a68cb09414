import {
  CombinedError,
  type Exchange,
  makeOperation,
  type Operation,
  type OperationResult,
} from '@urql/core'
import { filter, makeSubject, map, merge, pipe } from 'wonka'
import { Follower } from '../links/follower.ts'
import { Following, type FollowOptions } from '../links/following.ts'
import { gapError } from '../links/gap-error.ts'
import type { Gap } from '../protocol/errors.ts'

/**
 * Makes subscriptions to `messages` and `events` go on where they were, whatever happens to the connection, without repeats. Its place is
 * before `subscriptionExchange`, and behind exchanges of caches. Other operations pass through as they are.
 *
 * Where topics are named, nothing is missed at all. Under a pattern, a topic that was first published to while there was no connection
 * is missed, unless the transport gives a `clientId` in its `connectionParams`.
 */
export function carillonExchange(options: FollowOptions = {}): Exchange {
  return ({ forward }) =>
    (operations$) => {
      const again = makeSubject<Operation>()
      const subscriptions = new Subscriptions(again.next, options)
      return pipe(
        merge([
          pipe(
            operations$,
            map((one) => subscriptions.send(one)),
          ),
          again.source,
        ]),
        forward,
        map((result) => subscriptions.receive(result)),
        filter((result) => result !== undefined),
      )
    }
}

interface Followed {
  /** As the application knows it. */
  readonly operation: Operation
  readonly sent: Operation
  readonly following: Following
  /** What cannot be delivered, where that ends it. */
  gap: Gap | undefined
}

/** The subscriptions of one client that are followed, by the key of their operation. */
class Subscriptions {
  readonly #byKey = new Map<number, Followed>()
  readonly #next: (operation: Operation) => void
  readonly #options: FollowOptions

  /** @param next hands an operation to the transport */
  constructor(next: (operation: Operation) => void, options: FollowOptions) {
    this.#next = next
    this.#options = options
  }

  /** What to hand to the transport in place of an operation. */
  send(operation: Operation): Operation {
    if (operation.kind === 'teardown') this.#forget(operation.key)
    if (operation.kind !== 'subscription') return operation
    const follower = Follower.of(operation.query, operation.variables ?? {})
    return follower === undefined ? operation : this.#follow(operation, follower)
  }

  /** What to hand to the application in place of a result; undefined for nothing. */
  receive(result: OperationResult): OperationResult | undefined {
    const followed = this.#byKey.get(result.operation.key)
    if (followed === undefined || result.operation.kind !== 'subscription') return result
    const { error, data } = result
    if (error !== undefined && outlives(followed.following, error)) return undefined
    const told = data == null ? undefined : followed.following.take(data)
    if (followed.gap !== undefined) return this.#end(followed, followed.gap)
    if (told === undefined && error === undefined && data != null) return undefined
    return { ...result, operation: followed.operation, data: told }
  }

  #follow(operation: Operation, follower: Follower): Operation {
    this.#forget(operation.key)
    const request = {
      ...operation,
      query: follower.document as Operation['query'],
      variables: follower.variables,
    }
    const sent = makeOperation('subscription', request, operation.context)
    const followed: Followed = {
      operation,
      sent,
      gap: undefined,
      following: new Following({
        ...this.#options,
        follower,
        open: () => {
          this.#next(makeOperation('teardown', sent, sent.context))
          this.#next(sent)
        },
        onGap: (gap) => {
          followed.gap = gap
        },
      }),
    }
    this.#byKey.set(operation.key, followed)
    return sent
  }

  #end({ operation, sent }: Followed, gap: Gap): OperationResult {
    this.#forget(operation.key)
    this.#next(makeOperation('teardown', sent, sent.context))
    return {
      operation,
      data: undefined,
      error: new CombinedError({ graphQLErrors: [gapError(gap)] }),
      stale: false,
      hasNext: false,
    }
  }

  #forget(key: number): void {
    this.#byKey.get(key)?.following.close()
    this.#byKey.delete(key)
  }
}

function outlives(following: Following, { networkError, graphQLErrors }: CombinedError): boolean {
  return networkError === undefined
    ? following.outlives(graphQLErrors)
    : following.outlivesLoss(networkError)
}
