import { ApolloLink } from '@apollo/client'
import { CombinedGraphQLErrors } from '@apollo/client/errors'
import type { DocumentNode } from 'graphql'
import { Observable, type Subscriber, Subscription } from 'rxjs'
import { Follower } from '../links/follower.ts'
import { Following, type FollowOptions } from '../links/following.ts'
import { gapError } from '../links/gap-error.ts'

/**
 * Makes subscriptions to `messages` and `events` go on where they were, whatever happens to the connection, without repeats. Its place is
 * before the link of the transport: `carillonLink().concat(new GraphQLWsLink(client))`. Other operations pass through as they are.
 *
 * Where topics are named, nothing is missed at all. Under a pattern, a topic that was first published to while there was no connection
 * is missed, unless the transport gives a `clientId` in its `connectionParams`.
 */
export function carillonLink(options: FollowOptions = {}): ApolloLink {
  return new ApolloLink((operation, forward) => {
    const follower = Follower.of(operation.query, operation.variables)
    if (follower === undefined) return forward(operation)
    return new Observable((observer) =>
      follow({ operation: sentFor(operation, follower), follower, forward, options }, observer),
    )
  })
}

interface Followed {
  readonly operation: ApolloLink.Operation
  readonly follower: Follower
  readonly forward: ApolloLink.ForwardFunction
  readonly options: FollowOptions
}

/** Another operation, because links before this one may bring theirs again. It has the same context. */
function sentFor(operation: ApolloLink.Operation, { document, variables }: Follower) {
  return Object.create(operation, {
    query: { enumerable: true, value: document as DocumentNode },
    variables: { enumerable: true, value: variables },
  }) as ApolloLink.Operation
}

/** Answers how to end it. */
function follow(
  { operation, follower, forward, options }: Followed,
  observer: Subscriber<ApolloLink.Result>,
): () => void {
  let current = Subscription.EMPTY
  const fail = (error: unknown) => {
    current.unsubscribe()
    observer.error(error)
  }
  const following: Following = new Following({
    ...options,
    follower,
    open: () => {
      current.unsubscribe()
      const subscription = new Subscription()
      current = subscription // before it begins: what it begins with may end it
      subscription.add(
        forward(operation).subscribe({
          next: (result) => subscription.closed || next(result),
          error: (error: unknown) => endsWith(error, following) && fail(error),
          complete: () => observer.complete(),
        }),
      )
    },
    onGap: (gap) => fail(new CombinedGraphQLErrors({ errors: [gapError(gap)] })),
  })
  const next = (result: ApolloLink.Result) => {
    const { data, errors } = result as { data?: Record<string, unknown> | null; errors?: [] }
    if (errors !== undefined && data == null && following.outlives(errors)) {
      current.unsubscribe()
      return
    }
    const told = data == null ? data : following.take(data)
    if (told !== undefined || errors !== undefined) observer.next({ ...result, data: told ?? null })
  }
  following.open()
  return () => {
    following.close()
    current.unsubscribe()
  }
}

function endsWith(error: unknown, following: Following): boolean {
  if (CombinedGraphQLErrors.is(error)) return !following.outlives(error.errors)
  return !following.outlivesLoss(error)
}
