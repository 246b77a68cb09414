import { setTimeout as delay } from 'node:timers/promises'
import type { Places } from '../core/resume.ts'
import type { Sequence } from '../core/sequence.ts'
import { MAX_ID_LENGTH, parseFilter, parseText } from '../core/text.ts'
import { parseTopicPattern, type TopicName, type TopicPattern } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Filter } from './filter.ts'
import type { Hub, HubSubscribeOptions } from './hub.ts'
import { type OverflowRequest, parseOverflow } from './overflow.ts'
import type { Resumable, ResumePoint } from './resume-point.ts'
import { type Acked, parseAfter, type SnapshotSource, type Start, wasThere } from './start.ts'
import type { Subscription } from './subscription.ts'
import type { TopicEvent } from './topic-event.ts'

/** What a subscriber asks for. Null and undefined both stand for "not given". */
export interface TopicsRequest {
  /** 1 to 100 topics, or patterns such as `chat:*`. */
  readonly topics: readonly string[]
  /** Only messages from these users. */
  readonly from?: readonly string[] | null | undefined
  /** Only messages of these types. */
  readonly types?: readonly string[] | null | undefined
  /** False: leave out what this same client published. Default true. */
  readonly echo?: boolean | null | undefined
  /** Begin behind these cursors, at most one a topic. Topics without one begin where they stand. */
  readonly after?: readonly string[] | null | undefined
  /**
   * Topics without a cursor begin behind what this durable consumer of the user has acknowledged, those
   * that it never acknowledged in at their beginning; under a pattern, too. Not together with `last`.
   */
  readonly consumer?: string | null | undefined
  /** 1 to 1000: topics without a cursor begin with the newest so many messages. */
  readonly last?: number | null | undefined
  /** 1 to 1000: at most so many a second; of those that are too many, the newest. */
  readonly maxPerSecond?: number | null | undefined
}

/** What a subscriber of messages asks for. */
export interface SubscribeRequest extends TopicsRequest {
  /**
   * What happens where messages are no longer there: the subscription ends with CURSOR_EXPIRED (`FAIL`,
   * the default), or goes on with the oldest that is (`SKIP`).
   */
  readonly onGap?: 'FAIL' | 'SKIP' | null | undefined
}

/** What a subscriber of events asks for: gaps are among the events. */
export interface EventsRequest extends TopicsRequest {
  /**
   * Begin with the newest snapshot of each topic that has one, and what came after it; but behind a
   * cursor or what a consumer has acknowledged, where the messages from there on are kept. Default false.
   */
  readonly snapshot?: boolean | null | undefined
}

/** How a subscription is opened, besides what it asks for. */
export interface OpenOptions extends OverflowRequest {
  /** Where its client can go on after it has lost its connection. */
  readonly resume?: ResumePoint | undefined
  /** Cursors count only in topics where the subscriber was before, by `resume`, and behind what it has got there. */
  readonly onlyGoesOn?: boolean | undefined
  /** Over what it is asked for: the caller waits for a database that is away until this is gone. */
  readonly connection?: { isLost(): boolean } | undefined
}

export interface SubscribeLimits {
  readonly subscriptionTopics: number
  readonly filterValues: number
  readonly maxPerSecond: number
  readonly page: number
}

/** Where durable consumers are. */
export interface ConsumerPositions {
  /** What a consumer has acknowledged in each of these topics; those without any are left out. */
  acked(
    consumer: { readonly userId: string; readonly name: string },
    topics: readonly TopicName[],
  ): Promise<ReadonlyMap<TopicName, Sequence>>
}

export interface SubscriptionsParts {
  readonly hub: Hub
  readonly consumers: ConsumerPositions
  readonly snapshots: SnapshotSource
  readonly limits: SubscribeLimits
}

/** Validates what subscribers ask for, and opens it. */
export class Subscriptions {
  readonly #hub: Hub
  readonly #consumers: ConsumerPositions
  readonly #snapshots: SnapshotSource
  readonly #limits: SubscribeLimits

  constructor({ hub, consumers, snapshots, limits }: SubscriptionsParts) {
    this.#hub = hub
    this.#consumers = consumers
    this.#snapshots = snapshots
    this.#limits = limits
  }

  /**
   * Resolves once every message behind where it begins will be delivered, and every one that is
   * committed from then on.
   * @throws CarillonError INVALID_TOPIC_PATTERN, INVALID_LIMIT, INVALID_CURSOR, CURSOR_EXPIRED,
   * INVALID_INPUT, SERVICE_UNAVAILABLE, SHUTTING_DOWN
   */
  async open(
    request: SubscribeRequest,
    reader: Filter['reader'],
    options: OpenOptions = {},
  ): Promise<Subscription> {
    const onGap = parseOnGap(request.onGap)
    return this.#resume(request, options, (resumed) =>
      this.#hub.subscribe(this.#patterns(request), {
        ...this.#options(request, reader, options),
        start: { ...this.#start(request, reader.userId), resumed, onGap },
      }),
    )
  }

  /**
   * As `open`, with what happens besides messages. What a cursor points at may be gone: that is told.
   * @throws CarillonError as `open`, but never CURSOR_EXPIRED
   */
  async openEvents(
    request: EventsRequest,
    reader: Filter['reader'],
    options: OpenOptions = {},
  ): Promise<Subscription<TopicEvent>> {
    const snapshots = request.snapshot === true ? this.#snapshots : undefined
    return this.#resume(request, options, (resumed) =>
      this.#hub.subscribeToEvents(this.#patterns(request), {
        ...this.#options(request, reader, options),
        start: { ...this.#start(request, reader.userId), snapshots, resumed, onGap: 'tell' },
      }),
    )
  }

  /** Opens it where the subscriber was, if it asked for the same before; its cursors may differ. */
  async #resume<S extends Resumable & { close(): void }>(
    { after, ...request }: EventsRequest,
    { resume: point, onlyGoesOn, connection }: OpenOptions,
    open: (resumed: Places | undefined) => Promise<S>,
  ): Promise<S> {
    const isLost = () => point?.isLost ?? connection?.isLost() ?? true
    if (point === undefined) {
      if (onlyGoesOn === true) throw notThere()
      return patiently(() => open(undefined), isLost)
    }
    const text = JSON.stringify(request)
    const resumed = await point.find(text)
    if (onlyGoesOn === true && !wasThere(parseAfter(after), resumed)) throw notThere()
    const subscription = await patiently(() => open(resumed), isLost)
    await point.hold(text, subscription)
    return subscription
  }

  #options(
    request: TopicsRequest,
    reader: Filter['reader'],
    overflow: OverflowRequest,
  ): HubSubscribeOptions {
    const { filterValues } = this.#limits
    const filter: Filter = {
      reader,
      from: parseFilter('from', request.from, filterValues),
      types: parseFilter('types', request.types, filterValues),
      echo: request.echo ?? true,
    }
    const maxPerSecond = this.#maxPerSecond(request)
    return { filter, maxPerSecond, overflow: parseOverflow(overflow) }
  }

  #patterns({ topics }: TopicsRequest): readonly TopicPattern[] {
    const max = this.#limits.subscriptionTopics
    if (!Array.isArray(topics) || topics.length < 1 || topics.length > max) {
      throw new CarillonError('INVALID_INPUT', `A subscription takes 1 to ${max} topics.`, {
        limit: 'subscriptionTopics',
      })
    }
    return topics.map(parseTopicPattern)
  }

  #start({ after, consumer, last }: TopicsRequest, userId: string): Omit<Start, 'onGap'> {
    if (consumer != null && last != null) {
      throw new CarillonError('INVALID_INPUT', 'Give `consumer` or `last`, not both.')
    }
    return {
      after: parseAfter(after),
      acked: consumer == null ? undefined : this.#acked(consumer, userId),
      last: this.#last(last),
    }
  }

  #acked(consumer: string, userId: string): Acked {
    const name = parseText(consumer, 'The name of a consumer', MAX_ID_LENGTH)
    return (topics) => this.#consumers.acked({ userId, name }, topics)
  }

  #last(last: number | null | undefined): number | undefined {
    if (last == null) return undefined
    const max = this.#limits.page
    if (Number.isInteger(last) && last >= 1 && last <= max) return last
    throw new CarillonError('INVALID_LIMIT', `\`last\` is 1 to ${max}.`, { limit: 'page' })
  }

  #maxPerSecond({ maxPerSecond }: TopicsRequest): number | undefined {
    if (maxPerSecond == null) return undefined
    const max = this.#limits.maxPerSecond
    if (Number.isInteger(maxPerSecond) && maxPerSecond >= 1 && maxPerSecond <= max) {
      return maxPerSecond
    }
    throw new CarillonError('INVALID_LIMIT', `\`maxPerSecond\` is 1 to ${max}.`, {
      limit: 'maxPerSecond',
    })
  }
}

function parseOnGap(onGap: unknown): Start['onGap'] {
  if (onGap == null || onGap === 'FAIL') return 'fail'
  if (onGap === 'SKIP') return 'skip'
  throw new CarillonError('INVALID_INPUT', '`onGap` is FAIL or SKIP.')
}

function notThere(): CarillonError {
  const text =
    'HISTORY is not permitted, and without it this client cannot begin behind this cursor.'
  return new CarillonError('PERMISSION_DENIED', text)
}

/** How long one that comes back waits before it tries again, in milliseconds. */
const RETRY_MS = 250

/**
 * An error would end the subscription for good: over a WebSocket it waits for a database that is away, for as long as
 * the connection lives.
 */
async function patiently<S>(open: () => Promise<S>, isLost: () => boolean): Promise<S> {
  for (;;) {
    try {
      return await open()
    } catch (error) {
      const isAway = error instanceof CarillonError && error.code === 'SERVICE_UNAVAILABLE'
      if (!isAway || isLost()) throw error
      await delay(RETRY_MS, undefined, { ref: false })
    }
  }
}
