import type { ApolloCache, ApolloLink, InMemoryCacheConfig } from '@apollo/client'
import type { Exchange } from '@urql/core'
import type { CacheExchangeOpts } from '@urql/exchange-graphcache'
import { expectTypeOf, test } from 'vitest'
import type * as apollo from '../../../src/apollo/index.ts'
import type {
  CarillonError,
  ConnectionState,
  Message,
  OutgoingMessage,
  PresenceMember,
} from '../../../src/client/index.ts'
import type {
  Outgoing,
  useConnection,
  useMessages,
  usePresence,
  usePublish,
} from '../../../src/react/index.ts'
import type * as urql from '../../../src/urql/index.ts'

interface Chat {
  readonly text: string
}

test('the doors fit into the libraries that they are for', () => {
  expectTypeOf<ReturnType<typeof apollo.carillonLink>>().toEqualTypeOf<ApolloLink>()
  expectTypeOf<ReturnType<typeof apollo.carillonCache>>().toExtend<InMemoryCacheConfig>()
  expectTypeOf<Parameters<typeof apollo.addMessage>[0]>().toEqualTypeOf<ApolloCache>()
  expectTypeOf<ReturnType<typeof urql.carillonExchange>>().toEqualTypeOf<Exchange>()
  expectTypeOf<ReturnType<typeof urql.carillonCache>>().toExtend<Partial<CacheExchangeOpts>>()
})

test('a page has where a subscription begins, also a page that may not be there', () => {
  expectTypeOf<typeof apollo.liveStart>().toBeCallableWith({ endCursor: null })
  expectTypeOf<ReturnType<typeof apollo.liveStart>>().toEqualTypeOf<{
    readonly after?: string[]
    readonly last?: number
  }>()
})

test('lists keep the type of their messages', () => {
  interface Shown {
    readonly sequence: number | null
    readonly text: string
  }
  type Add = typeof urql.addMessage<Shown>
  expectTypeOf<Add>().returns.toEqualTypeOf<readonly Shown[]>()
  expectTypeOf<Add>().parameter(1).toEqualTypeOf<Shown | null | undefined>()
})

test('a message for a list of Apollo is what generated types say', () => {
  interface Generated {
    __typename?: 'Message'
    id: string
    topic: string
    sequence: number | null
    cursor: string | null
    payload: unknown
  }
  expectTypeOf<Generated>().toExtend<apollo.LiveMessage>()
  expectTypeOf<{ id: string }>().not.toExtend<apollo.LiveMessage>()
})

test('hooks have the payloads and states that their caller says', () => {
  type Messages = ReturnType<typeof useMessages<Chat>>
  expectTypeOf<Messages['messages']>().toEqualTypeOf<readonly Message<Chat>[]>()
  expectTypeOf<Messages['outgoing']>().toEqualTypeOf<readonly Outgoing<Chat>[]>()
  expectTypeOf<Messages['status']>().toEqualTypeOf<'loading' | 'ready' | 'failed'>()
  expectTypeOf<Messages['error']>().toEqualTypeOf<CarillonError | undefined>()
  type Publish = ReturnType<typeof usePublish<Chat>>
  expectTypeOf<Publish['publish']>().parameter(0).toEqualTypeOf<Chat>()
  expectTypeOf<Publish['publish']>().returns.resolves.toEqualTypeOf<Message<Chat>>()
  expectTypeOf<Publish['send']>().returns.toEqualTypeOf<OutgoingMessage<Chat>>()
  type Presence = ReturnType<typeof usePresence<Chat>>
  expectTypeOf<Presence['members']>().toEqualTypeOf<readonly PresenceMember<Chat>[]>()
  expectTypeOf<ReturnType<typeof useConnection>['state']>().toEqualTypeOf<ConnectionState>()
})
