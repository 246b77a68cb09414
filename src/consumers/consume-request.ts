import type { Message } from '../core/message.ts'
import { parseTopicPattern, type TopicPattern } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import { parseConsumerName } from './acks.ts'
import { parseRetry, type RetryPolicy } from './retry.ts'

/** What a handler may want to know besides the message. */
export interface HandlerContext {
  /** 1 for the first call with this message, 2 for the second, … */
  readonly attempt: number
  /** Aborted when the topic is no longer handled here: the message is then handled again elsewhere. */
  readonly signal: AbortSignal
}

/** Handles a message: it is acknowledged once this has returned, or its promise is fulfilled. */
export type ConsumerHandler = (message: Message, context: HandlerContext) => unknown

/** What a backend consumes, and how. */
export interface ConsumeRequest {
  /** 1 to 100 topics, or patterns such as `order:*`. */
  readonly topics: readonly string[]
  /** The name of the durable consumer: 1 to 128 characters. */
  readonly consumer: string
  readonly handler: ConsumerHandler
  /**
   * Messages of a topic that are read at once, and that may be handled and not acknowledged yet: what a crash
   * repeats at most. 1 to 1000, default 100; with 1, each is acknowledged before the next is handled.
   */
  readonly batchSize?: number
  /** Ends by itself when so many batches are handled, of all topics together. Default: it goes on. */
  readonly maxBatches?: number
  /** What happens when the handler fails; what is left out keeps its default. */
  readonly retry?: Partial<RetryPolicy>
  /** Topics that are handled side by side: 1 to 1000. Default 16. */
  readonly concurrency?: number
  /**
   * How long the topics of a process that was killed, or is frozen, stay its own, in milliseconds: 500 to an hour.
   * Default 15,000.
   */
  readonly leaseMs?: number
}

/** A durable consumer at work. */
export interface RunningConsumer extends AsyncDisposable {
  /**
   * Settles once it has ended: after `stop`, `maxBatches`, or the close of the server. Rejects only with what is
   * unexpected; what the handler throws is no such thing.
   */
  readonly ended: Promise<void>
  /**
   * Resolves once the handlers under way have finished, and their messages are acknowledged. Do not wait for it
   * in a handler. Idempotent.
   */
  stop(): Promise<void>
}

export interface CatchUpRequest {
  /** 1 to 100 topics, or patterns such as `order:*`. */
  readonly topics: readonly string[]
  /** Begin behind what this durable consumer has acknowledged. Not together with `after`. */
  readonly consumer?: string
  /** Begin behind these cursors, at most one a topic; topics without one begin with their oldest message. */
  readonly after?: readonly string[]
  /** Messages of a batch at most: 1 to 1000, default 100. */
  readonly batchSize?: number
  /** Ends after so many batches, of all topics together. Default: at the heads. */
  readonly maxBatches?: number
}

export interface ConsumeOptions {
  readonly name: string
  readonly topics: readonly TopicPattern[]
  readonly handler: ConsumerHandler
  readonly batchSize: number
  readonly maxBatches: number
  readonly retry: RetryPolicy
  readonly concurrency: number
  readonly leaseMs: number
}

export interface ConsumeLimits {
  /** Topics and patterns of one consumer. */
  readonly subscriptionTopics: number
  /** Messages of a batch. */
  readonly page: number
}

const MAX_CONCURRENCY = 1_000
const MIN_LEASE_MS = 500
const MAX_LEASE_MS = 60 * 60 * 1_000

/** @throws CarillonError INVALID_TOPIC_PATTERN, INVALID_LIMIT, INVALID_INPUT */
export function parseConsume(request: ConsumeRequest, limits: ConsumeLimits): ConsumeOptions {
  const { handler, concurrency = 16, leaseMs = 15_000 } = request
  if (typeof handler !== 'function') {
    throw new CarillonError('INVALID_INPUT', '`handler` is a function.')
  }
  return {
    name: parseConsumerName(request.consumer),
    handler,
    ...parseBatches(request, limits),
    retry: parseRetry(request.retry),
    concurrency: parseCount('concurrency', concurrency, 1, MAX_CONCURRENCY),
    leaseMs: parseCount('leaseMs', leaseMs, MIN_LEASE_MS, MAX_LEASE_MS),
  }
}

/**
 * Which topics, and how many messages of them at once.
 * @throws CarillonError INVALID_TOPIC_PATTERN, INVALID_LIMIT, INVALID_INPUT
 */
export function parseBatches(
  {
    topics,
    batchSize = 100,
    maxBatches,
  }: Pick<CatchUpRequest, 'topics' | 'batchSize' | 'maxBatches'>,
  { subscriptionTopics, page }: ConsumeLimits,
): Pick<ConsumeOptions, 'topics' | 'batchSize' | 'maxBatches'> {
  if (!Array.isArray(topics) || topics.length < 1 || topics.length > subscriptionTopics) {
    throw new CarillonError(
      'INVALID_INPUT',
      `A consumer takes 1 to ${subscriptionTopics} topics.`,
      {
        limit: 'subscriptionTopics',
      },
    )
  }
  return {
    topics: topics.map(parseTopicPattern),
    batchSize: parseCount('batchSize', batchSize, 1, page),
    maxBatches:
      maxBatches === undefined
        ? Number.POSITIVE_INFINITY
        : parseCount('maxBatches', maxBatches, 1, Number.MAX_SAFE_INTEGER),
  }
}

function parseCount(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new CarillonError('INVALID_LIMIT', `\`${name}\` is a whole number from ${min} to ${max}.`)
}
