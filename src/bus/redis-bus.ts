import { randomUUID } from 'node:crypto'
import { type PubSubRedisOptions, RedisPubSub } from 'graphql-redis-subscriptions'
import type { Redis } from 'ioredis'
import type { AnyMessage } from '../core/message.ts'
import { isWildcard, type TopicName, type TopicPattern } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { RedisAddress } from '../redis/redis-address.ts'
import {
  connectionsTo,
  type RedisConnectionOptions,
  type RedisConnections,
} from '../redis/redis-connection.ts'
import type { Bus, BusListener, BusSubscription, EpochChange, EpochListener } from './bus.ts'
import { MemoryBus } from './memory-bus.ts'
import { decode, encodeEpochChange, encodeMessage } from './wire.ts'

export interface RedisBusOptions {
  readonly address: RedisAddress
  /** Told of faults of Redis and of what listeners threw. */
  readonly onFault: (error: unknown) => void
}

/** In front of the topic's name: other programs may use the same Redis. */
const CHANNEL = 'carillon:topic:'

/** How long a subscriber waits for the confirmation of Redis, in milliseconds. */
const CONFIRM_MS = 2_000

/** A topic or pattern that someone on this instance listens to. */
interface Channel {
  /** Settles once Redis has confirmed; an id to unsubscribe with. */
  readonly confirmed: Promise<number>
  listeners: number
}

/**
 * The bus of several instances, over the pub/sub of one Redis or one Redis Cluster. Local listeners get a
 * message at once; what Redis loses, for them and for others, is found by the hub's comparison with the log.
 */
export class RedisBus implements Bus {
  readonly kind = 'redis'
  readonly #origin = randomUUID()
  readonly #local: MemoryBus
  readonly #connections: RedisConnections
  readonly #publisher: Redis
  readonly #subscriber: Redis
  readonly #pubsub: RedisPubSub
  readonly #onFault: (error: unknown) => void
  readonly #channels = new Map<TopicPattern, Channel>()
  readonly #gapListeners = new Set<() => void>()
  #wasReady = false
  #isFaultTold = false
  #closed = false

  constructor({ address, onFault }: RedisBusOptions) {
    this.#onFault = onFault
    this.#local = new MemoryBus(onFault)
    this.#connections = connectionsTo(address, (error) => this.#onRedisFault(error))
    // A message that cannot be sent at once is not sent: the log has it, and a queue would grow.
    this.#publisher = this.#connect({ enableOfflineQueue: false })
    this.#subscriber = this.#connect({ enableOfflineQueue: true })
    this.#subscriber.on('ready', () => this.#onReady())
    this.#pubsub = new RedisPubSub({
      publisher: clientOf(this.#publisher),
      subscriber: clientOf(patient(this.#subscriber, (error) => this.#onRedisFault(error))),
      messageEventName: 'messageBuffer',
      pmessageEventName: 'pmessageBuffer',
      // The library sends and hands on Buffers as they are; its types know only texts.
      serializer: (buffer: unknown) => buffer as string,
    })
  }

  get isConnected(): boolean {
    return this.#publisher.status === 'ready' && this.#subscriber.status === 'ready'
  }

  publish(messages: readonly AnyMessage[]): void {
    this.#local.publish(messages)
    if (this.#publisher.status !== 'ready') return // the log has them; others compare with it
    for (const message of messages) this.#send(message.topic, encodeMessage(message, this.#origin))
  }

  announce(change: EpochChange): void {
    this.#local.announce(change)
    if (this.#publisher.status === 'ready') {
      this.#send(change.topic, encodeEpochChange(change, this.#origin))
    }
  }

  async subscribe(
    pattern: TopicPattern,
    listener: BusListener,
    onEpochChange?: EpochListener,
  ): Promise<BusSubscription> {
    const local = await this.#local.subscribe(pattern, listener, onEpochChange)
    const channel = this.#channels.get(pattern) ?? this.#open(pattern)
    channel.listeners++
    await this.#confirmation(channel)
    let subscribed = true
    return {
      unsubscribe: () => {
        local.unsubscribe()
        if (subscribed) this.#leave(pattern, channel)
        subscribed = false
      },
    }
  }

  onGap(listener: () => void): () => void {
    this.#gapListeners.add(listener)
    return () => this.#gapListeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#gapListeners.clear()
    this.#publisher.disconnect()
    this.#subscriber.disconnect()
    this.#connections.close()
    await this.#local.close()
  }

  #send(topic: TopicName, buffer: Buffer): void {
    this.#pubsub
      .publish(CHANNEL + topic, buffer)
      .catch((error: unknown) => this.#onRedisFault(error))
  }

  #connect(options: RedisConnectionOptions): Redis {
    const redis = this.#connections.open(options)
    redis.on('error', (error) => this.#onRedisFault(error))
    redis.on('close', () => this.#onRedisFault(new Error('The connection to Redis was cut.')))
    redis.on('ready', () => {
      this.#isFaultTold = false
    })
    return redis
  }

  #open(pattern: TopicPattern): Channel {
    const confirmed = this.#pubsub.subscribe(
      CHANNEL + pattern,
      (buffer: Buffer) => this.#receive(pattern, buffer),
      { pattern: isWildcard(pattern) },
    )
    const channel = { confirmed, listeners: 0 }
    this.#channels.set(pattern, channel)
    return channel
  }

  /**
   * Waits for Redis to confirm, while there is a Redis. Without, local messages come at once and those
   * of other instances by the hub's comparison; the confirmation then is a gap that has ended.
   */
  async #confirmation({ confirmed }: Channel): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const tooLate = new Promise<'too late'>((resolve) => {
      timer = setTimeout(() => resolve('too late'), this.isConnected ? CONFIRM_MS : 0)
    })
    if ((await Promise.race([confirmed, tooLate])) === 'too late') {
      confirmed.then(
        () => this.#tellGap(),
        (error) => this.#onRedisFault(error),
      )
    }
    clearTimeout(timer)
  }

  #leave(pattern: TopicPattern, channel: Channel): void {
    if (--channel.listeners > 0) return
    if (this.#channels.get(pattern) === channel) this.#channels.delete(pattern)
    // The library forgets an id only once it was confirmed.
    channel.confirmed.then(
      (id) => {
        if (!this.#closed) this.#pubsub.unsubscribe(id)
      },
      (error) => this.#onRedisFault(error),
    )
  }

  /** Redis sends a message once for its channel and once for each pattern: it is told apart. */
  #receive(pattern: TopicPattern, buffer: Buffer): void {
    const received = decode(buffer)
    if (received === undefined || received.origin === this.#origin) return
    if (received.kind === 'message') this.#local.deliver(pattern, received.message)
    else this.#local.deliverChange(pattern, received.change)
  }

  /** Tells one fault, not one for each message and attempt, until Redis is back. */
  #onRedisFault(cause: unknown): void {
    if (this.#isFaultTold || this.#closed) return
    this.#isFaultTold = true
    this.#onFault(
      new CarillonError('SERVICE_UNAVAILABLE', 'Redis is away for the moment.', { cause }),
    )
  }

  /** Channels are subscribed again by then: commands of one connection are answered in order. */
  #onReady(): void {
    if (!this.#wasReady) this.#wasReady = true
    else
      this.#subscriber.ping().then(
        () => this.#tellGap(),
        (error) => this.#onRedisFault(error),
      )
  }

  #tellGap(): void {
    if (this.#closed) return
    for (const listener of this.#gapListeners) listener()
  }
}

type LibraryClient = NonNullable<PubSubRedisOptions['subscriber']>

/** The library is written against the types of an older ioredis; what it calls is the same. */
function clientOf(redis: Redis): LibraryClient {
  return redis as unknown as LibraryClient
}

/**
 * The subscriber as the library is to see it. The library leaves promises of unsubscribing to nobody and
 * rejects one that nobody awaits where subscribing fails: here neither fails, but waits for Redis.
 */
function patient(redis: Redis, onFault: (error: unknown) => void): Redis {
  const { subscribe, psubscribe, unsubscribe, punsubscribe } = redis
  const quiet = (work: Promise<unknown>) => work.catch(onFault)
  return new Proxy(redis, {
    get(target, name) {
      switch (name) {
        case 'subscribe':
          return (channel: string, confirm: (error: null) => void) =>
            void quiet(subscribe.call(target, channel).then(() => confirm(null)))
        case 'psubscribe':
          return (pattern: string, confirm: (error: null) => void) =>
            void quiet(psubscribe.call(target, pattern).then(() => confirm(null)))
        case 'unsubscribe':
          return (channel: string) => quiet(unsubscribe.call(target, channel))
        case 'punsubscribe':
          return (pattern: string) => quiet(punsubscribe.call(target, pattern))
        default: {
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        }
      }
    },
  })
}
