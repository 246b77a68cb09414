import { expectTypeOf, test } from 'vitest'
import type {
  CarillonClient,
  CarillonErrorCode,
  ConnectionState,
  Message,
  OutgoingMessage,
  Page,
  PresenceEntry,
  PresenceMember,
  PublishOptions,
  Topic,
} from '../../../src/client/index.ts'

interface Chat {
  readonly text: string
}

interface Status {
  readonly status: 'here' | 'typing'
}

type Room = Topic<Chat>

test('a topic has the payloads that its caller says', () => {
  expectTypeOf<CarillonClient['topic']>().toBeCallableWith('chat:1')
  expectTypeOf<ReturnType<typeof roomOf>>().toEqualTypeOf<Topic<Chat>>()
  expectTypeOf<Room['publish']>().parameter(0).toEqualTypeOf<Chat>()
  expectTypeOf<Room['publish']>().parameter(1).toEqualTypeOf<PublishOptions | undefined>()
  expectTypeOf<ReturnType<Room['publish']>>().resolves.toEqualTypeOf<Message<Chat>>()
  expectTypeOf<ReturnType<Room['send']>>().toEqualTypeOf<OutgoingMessage<Chat>>()
  expectTypeOf<ReturnType<Room['history']>>().resolves.toEqualTypeOf<Page<Chat>>()
  expectTypeOf<Parameters<Room['subscribe']>[0]>().parameter(0).toEqualTypeOf<Message<Chat>>()
  expectTypeOf<Message<Chat>['payload']>().toEqualTypeOf<Chat>()
})

test('a topic of which nobody says anything has payloads that are not known', () => {
  expectTypeOf<Message['payload']>().toBeUnknown()
  expectTypeOf<Topic>().toEqualTypeOf<Topic<unknown>>()
})

test('loops have the messages of their topic', () => {
  type Item<Loop> = Loop extends AsyncIterable<infer T> ? T : never
  expectTypeOf<Item<ReturnType<Room['messages']>>>().toEqualTypeOf<Message<Chat>>()
  expectTypeOf<Item<ReturnType<Room['replay']>>>().toEqualTypeOf<Message<Chat>>()
})

test('an ephemeral message has no place', () => {
  expectTypeOf<Message['sequence']>().toEqualTypeOf<number | null>()
  expectTypeOf<Message['cursor']>().toEqualTypeOf<string | null>()
})

test('presence has the states that its caller says', () => {
  expectTypeOf<PresenceEntry<Status>['members']>().toEqualTypeOf<
    readonly PresenceMember<Status>[]
  >()
  expectTypeOf<PresenceEntry<Status>['update']>().parameter(0).toEqualTypeOf<Status>()
  expectTypeOf<PresenceMember<Status>['state']>().toEqualTypeOf<Status | null>()
})

test('states and codes are closed', () => {
  expectTypeOf<ConnectionState>().toEqualTypeOf<
    'offline' | 'connecting' | 'live' | 'resuming' | 'closed'
  >()
  expectTypeOf<'ACK_TIMEOUT' | 'SEQUENCE_CONFLICT'>().toExtend<CarillonErrorCode>()
  expectTypeOf<'NO_CODE'>().not.toExtend<CarillonErrorCode>()
})

function roomOf(client: CarillonClient) {
  return client.topic<Chat>('chat:1')
}
