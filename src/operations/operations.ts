import type { Access } from '../access/access.ts'
import type { InFlight } from '../access/in-flight.ts'
import type { Limits } from '../access/limits.ts'
import type { PublishLimiter } from '../access/publish-limiter.ts'
import type { Viewer } from '../access/viewer.ts'
import type { AckRequest, Acks } from '../consumers/acks.ts'
import type { CatchUpBatch } from '../consumers/catch-up.ts'
import type {
  CatchUpRequest,
  ConsumeRequest,
  RunningConsumer,
} from '../consumers/consume-request.ts'
import type { Consumer } from '../consumers/consumer-store.ts'
import type { Consumers } from '../consumers/consumers.ts'
import type { DeadLetter, DeadLetterPage } from '../consumers/dead-letter-store.ts'
import type {
  DeadLetterActionRequest,
  DeadLetterPageRequest,
  DeadLetters,
} from '../consumers/dead-letters.ts'
import type { AnyMessage } from '../core/message.ts'
import type { Epoch, Sequence } from '../core/sequence.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { parseTopicName } from '../core/topic-name.ts'
import type { OverflowRequest } from '../hub/overflow.ts'
import type { Subscription } from '../hub/subscription.ts'
import type { EventsRequest, SubscribeRequest, Subscriptions } from '../hub/subscriptions.ts'
import type { TopicEvent } from '../hub/topic-event.ts'
import type { History, HistoryRequest } from '../log/history.ts'
import type { Log, Page, TopicState, TopicsPage } from '../log/log.ts'
import type { Presence, PresenceRequest } from '../presence/presence.ts'
import type { PresenceEvent } from '../presence/presence-event.ts'
import type { PresenceSubscription } from '../presence/presence-subscription.ts'
import type { PresenceMember } from '../presence/session.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { PublishRequest } from '../publish/publish-request.ts'
import type { Published, Publisher } from '../publish/publisher.ts'
import type { Purger } from '../publish/purger.ts'
import type { SnapshotRequest, Snapshots } from '../snapshots/snapshots.ts'
import type { Caller } from './caller.ts'
import { Gate, type Openable } from './gate.ts'
import { Gathering } from './gathering.ts'
import type { Middlewares } from './middleware.ts'
import { goesOn, inPatterns, inTopic, ofSubscription } from './needs.ts'
import type {
  ConsumerRequest,
  DeadLetterRequest,
  InTopic,
  MessageRequest,
  PurgeRequest,
  TopicsRequest,
  UpdatePresenceRequest,
} from './operation.ts'
import { authorizedTopics, parseTopics, readable } from './topics.ts'

export interface OperationsParts {
  readonly access: Access
  readonly middlewares: Middlewares
  readonly log: Log
  readonly history: History
  readonly publisher: Publisher
  readonly purger: Purger
  readonly acks: Acks
  readonly deadLetters: DeadLetters
  readonly consumers: Consumers
  readonly subscriptions: Subscriptions
  readonly snapshots: Snapshots
  readonly presence: Presence
  readonly publishLimiter: PublishLimiter
  /** Of pages of history, by user. */
  readonly pages: InFlight
  readonly limits: Limits
  /** Told the name of a limit that refused something. */
  readonly onLimit: (limit: string) => void
}

/**
 * Everything that can be done, whoever asks and over whatever: the one way in. Each operation is checked, counted
 * and handed through the middleware here, and nowhere else. Every method throws CarillonErrors of the catalogue:
 * UNAUTHENTICATED and PERMISSION_DENIED before anything of topics is looked up, then those of what it stands for.
 */
export class Operations {
  readonly #parts: OperationsParts
  readonly #gate: Gate

  constructor(parts: OperationsParts) {
    this.#parts = parts
    this.#gate = new Gate(parts)
  }

  /** @throws CarillonError UNAUTHENTICATED where the credentials have run out or been revoked */
  ensureValid(viewer: Viewer): void {
    this.#parts.access.ensureValid(viewer)
  }

  get limits(): Limits {
    return this.#parts.limits
  }

  /** @throws CarillonError INVALID_INPUT where these are more than may be asked for at once */
  ensureFewNodes(ids: readonly string[]): Promise<void> {
    const { nodes: max } = this.#parts.limits
    return this.#gate.counting(() => {
      if (ids.length <= max) return
      const text = `\`nodes\` takes at most ${max} ids.`
      throw new CarillonError('INVALID_INPUT', text, { limit: 'nodes' })
    })
  }

  publish(request: PublishRequest, { viewer }: Caller): Promise<Published> {
    return this.#gate.run(
      { operation: 'publish', viewer, request },
      {
        needs: () => inTopic(request.topic, 'PUBLISH'),
        perform: async (changed) => {
          await this.#parts.publishLimiter.take(viewer, [changed])
          return this.#parts.publisher.publish(changed, viewer)
        },
      },
    )
  }

  /** The middleware sees one message after the other; all or none of them are published. */
  publishMany(requests: readonly PublishRequest[], caller: Caller): Promise<readonly Published[]> {
    return this.#gate.counting(() => this.#publishMany(requests, caller))
  }

  async #publishMany(
    requests: readonly PublishRequest[],
    { viewer }: Caller,
  ): Promise<readonly Published[]> {
    const { publisher, publishLimiter } = this.#parts
    publisher.ensureFew(requests)
    const gathering = new Gathering<PublishRequest, Published>(requests.length, async (all) => {
      await publishLimiter.take(viewer, all)
      return publisher.publishMany(all, viewer)
    })
    return Promise.all(
      requests.map(async (request, index) => {
        try {
          const published = await this.#gate.pass(
            { operation: 'publish', viewer, request },
            {
              needs: () => inTopic(request.topic, 'PUBLISH'),
              perform: (changed) => gathering.ask(index, changed),
            },
          )
          gathering.settle(index)
          return published
        } catch (error) {
          gathering.settle(index, { error })
          throw error
        }
      }),
    )
  }

  history(request: HistoryRequest, { viewer }: Caller): Promise<Page> {
    return this.#gate.read(
      { operation: 'history', viewer, request },
      {
        needs: () => inTopic(request.topic, 'HISTORY'),
        perform: (changed) => {
          const page = () => this.#parts.history.page(changed, viewer)
          return viewer.kind === 'backend' ? page() : this.#parts.pages.hold(viewer.userId, page)
        },
      },
    )
  }

  /** Undefined where it is not there, or not for the caller. */
  message(request: MessageRequest, { viewer }: Caller): Promise<AnyMessage | undefined> {
    return this.#gate.readWhereAllowed(
      { operation: 'message', viewer, request },
      {
        needs: () => inTopic(request.topic, 'HISTORY'),
        perform: ({ topic, epoch, sequence }) => {
          const position = { epoch: epoch as Epoch, sequence: sequence as Sequence } // of an id
          return this.#parts.log.message(parseTopicName(topic), position, viewer)
        },
      },
    )
  }

  topic(request: InTopic, { viewer }: Caller): Promise<TopicState> {
    return this.#gate.read(
      { operation: 'topic', viewer, request },
      {
        needs: () => inTopic(request.topic, 'HISTORY'),
        perform: ({ topic }) => this.#parts.log.topic(parseTopicName(topic)),
      },
    )
  }

  /** As `topic`; undefined where the caller may not see it. */
  visibleTopic(request: InTopic, { viewer }: Caller): Promise<TopicState | undefined> {
    return this.#gate.undefinedWhereDenied(() => this.topic(request, { viewer }))
  }

  /** Those that the caller may read. */
  async topics(request: TopicsRequest, { viewer }: Caller): Promise<TopicsPage> {
    const { access, log, limits } = this.#parts
    const page = (asked: TopicsRequest) =>
      this.#gate.read(
        { operation: 'topics', viewer, request: asked },
        { needs: () => [], perform: (changed) => log.topics(parseTopics(changed, limits.page)) },
      )
    const all = { ...request, ...readable(viewer) }
    if (!access.asks(viewer)) return page(all)
    const { limit } = parseTopics(request, limits.page)
    return authorizedTopics(all, { access, viewer, limit, maxPage: limits.page, page })
  }

  purge(request: PurgeRequest, { viewer }: Caller): Promise<TopicState> {
    return this.#gate.run(
      { operation: 'purge', viewer, request },
      {
        needs: () => inTopic(request.topic, 'ADMIN'),
        perform: ({ topic, ...options }) => this.#parts.purger.purge(topic, options),
      },
    )
  }

  async subscribe(
    request: SubscribeRequest,
    caller: Caller,
    overflow: OverflowRequest = {},
  ): Promise<Subscription> {
    const { subscriptions } = this.#parts
    const opened = await this.#open(request, caller, (changed, onlyGoesOn) =>
      subscriptions.open(changed, caller.viewer, { ...overflow, ...caller, onlyGoesOn }),
    )
    const delivery = this.#gate.delivery<AnyMessage>(caller.viewer, {
      wrap: (message) => ({ kind: 'message', message, replayed: false }),
      unwrap: (event) => (event.kind === 'message' ? event.message : undefined),
    })
    if (delivery !== undefined) opened.deliverBy(delivery)
    return opened
  }

  async subscribeToEvents(
    request: EventsRequest,
    caller: Caller,
    overflow: OverflowRequest = {},
  ): Promise<Subscription<TopicEvent>> {
    const { subscriptions } = this.#parts
    const opened = await this.#open(request, caller, (changed, onlyGoesOn) =>
      subscriptions.openEvents(changed, caller.viewer, { ...overflow, ...caller, onlyGoesOn }),
    )
    const delivery = this.#gate.delivery<TopicEvent>(caller.viewer, {
      wrap: (event) => event,
      unwrap: (event) => (event.kind === 'presence' ? undefined : event),
    })
    if (delivery !== undefined) opened.deliverBy(delivery)
    return opened
  }

  ack(request: AckRequest, { viewer }: Caller): Promise<Consumer> {
    return this.#gate.run(
      { operation: 'ack', viewer, request },
      {
        needs: () => inTopic(request.topic, 'ACK'),
        perform: (changed) => this.#parts.acks.ack(changed, viewer.userId),
      },
    )
  }

  consumer(request: ConsumerRequest, { viewer }: Caller): Promise<Consumer | undefined> {
    return this.#gate.read(
      { operation: 'consumer', viewer, request },
      {
        needs: () => inTopic(request.topic, 'ACK'),
        perform: ({ topic, name }) =>
          this.#parts.acks.consumer(parseTopicName(topic), name, viewer.userId),
      },
    )
  }

  /** Hands every message behind what the consumer has acknowledged to its handler. */
  async consume(request: ConsumeRequest, { viewer, signal }: Caller): Promise<RunningConsumer> {
    this.#gate.ensureNoMiddleware(viewer)
    const needs = inPatterns(request.topics, 'SUBSCRIBE', 'HISTORY', 'ACK')
    await this.#parts.access.check(viewer, needs)
    const handler = this.#gate.handler(viewer, request.handler)
    const consumption = await this.#gate.counting(() =>
      this.#parts.consumers.consume({ ...request, handler }, viewer, signal),
    )
    this.#gate.guard(
      {
        fail: () => void consumption.stop(),
        onClosed: (callback) => void consumption.ended.then(callback, callback),
      },
      { viewer },
      needs,
    )
    return consumption
  }

  /** Every message up to where the topics stand, in batches. */
  catchUp(
    request: CatchUpRequest,
    { viewer, signal }: Caller,
  ): AsyncGenerator<CatchUpBatch, undefined> {
    this.#gate.ensureNoMiddleware(viewer)
    const needs = inPatterns(request.topics, 'SUBSCRIBE', 'HISTORY')
    const batches = this.#parts.consumers.catchUp(request, viewer, signal)
    return whilePermitted(batches, () => this.#parts.access.check(viewer, needs))
  }

  /** As `consumer`; undefined, too, where the caller may not see it. */
  visibleConsumer(request: ConsumerRequest, { viewer }: Caller): Promise<Consumer | undefined> {
    return this.#gate.undefinedWhereDenied(() => this.consumer(request, { viewer }))
  }

  deadLetters(request: DeadLetterPageRequest, { viewer }: Caller): Promise<DeadLetterPage> {
    return this.#gate.read(
      { operation: 'deadLetters', viewer, request },
      {
        needs: () => inTopic(request.topic, 'ACK', 'HISTORY'),
        perform: (changed) => this.#parts.deadLetters.page(changed, viewer.userId),
      },
    )
  }

  /** Undefined where it is not there, or not for the caller. */
  deadLetter(request: DeadLetterRequest, { viewer }: Caller): Promise<DeadLetter | undefined> {
    return this.#gate.readWhereAllowed(
      { operation: 'deadLetter', viewer, request },
      {
        needs: () => inTopic(request.topic, 'ACK', 'HISTORY'),
        perform: ({ topic, consumer: name, epoch, sequence }) => {
          const key = { topic: parseTopicName(topic), userId: viewer.userId, name }
          const position = { epoch: epoch as Epoch, sequence: sequence as Sequence } // of an id
          return this.#parts.deadLetters.letter(key, position)
        },
      },
    )
  }

  replayDeadLetters(request: DeadLetterActionRequest, { viewer }: Caller): Promise<number> {
    return this.#gate.run(
      { operation: 'replayDeadLetters', viewer, request },
      {
        needs: () => inTopic(request.topic, 'ACK'),
        perform: (changed) => this.#parts.deadLetters.replay(changed, viewer.userId),
      },
    )
  }

  discardDeadLetters(request: DeadLetterActionRequest, { viewer }: Caller): Promise<number> {
    return this.#gate.run(
      { operation: 'discardDeadLetters', viewer, request },
      {
        needs: () => inTopic(request.topic, 'ACK'),
        perform: (changed) => this.#parts.deadLetters.discard(changed, viewer.userId),
      },
    )
  }

  saveSnapshot(request: SnapshotRequest, { viewer }: Caller): Promise<Snapshot> {
    return this.#gate.run(
      { operation: 'saveSnapshot', viewer, request },
      {
        needs: () => inTopic(request.topic, 'ADMIN'),
        perform: (changed) => this.#parts.snapshots.save(changed),
      },
    )
  }

  snapshot(request: InTopic, { viewer }: Caller): Promise<Snapshot | undefined> {
    return this.#gate.read(
      { operation: 'snapshot', viewer, request },
      {
        needs: () => inTopic(request.topic, 'HISTORY'),
        perform: ({ topic }) => this.#parts.snapshots.snapshot(parseTopicName(topic)),
      },
    )
  }

  async presence(request: PresenceRequest, caller: Caller): Promise<PresenceSubscription> {
    const { viewer, connection } = caller
    const opened = await this.#gate.open(
      { operation: 'presence', viewer, request },
      {
        caller,
        needs: () => inPatterns(request.topics, 'PRESENCE'),
        open: (changed) => this.#parts.presence.open(changed, viewer, connection),
      },
    )
    const delivery = this.#gate.delivery<PresenceEvent>(viewer, {
      wrap: (event) => ({ kind: 'presence', ...event }),
      unwrap: (event) => (event.kind === 'presence' ? event : undefined),
    })
    if (delivery !== undefined) opened.deliverBy(delivery)
    return opened
  }

  members(request: InTopic, { viewer }: Caller): Promise<readonly PresenceMember[]> {
    return this.#gate.read(
      { operation: 'members', viewer, request },
      {
        needs: () => inTopic(request.topic, 'PRESENCE'),
        perform: ({ topic }) => this.#parts.presence.members(topic),
      },
    )
  }

  updatePresence(
    request: UpdatePresenceRequest,
    { viewer, connection }: Caller,
  ): Promise<PresenceMember> {
    return this.#gate.run(
      { operation: 'updatePresence', viewer, request },
      {
        needs: () => inTopic(request.topic, 'PRESENCE'),
        perform: (changed) => this.#parts.presence.update(changed, viewer, connection?.id),
      },
    )
  }

  async #open<S extends Openable>(
    request: EventsRequest,
    caller: Caller,
    open: (request: EventsRequest, onlyGoesOn: boolean) => Promise<S>,
  ): Promise<S> {
    const onlyGoesOn = await this.#mayOnlyGoOn(request, caller)
    return this.#gate.open(
      { operation: 'subscribe', viewer: caller.viewer, request },
      {
        caller,
        needs: () =>
          onlyGoesOn ? inPatterns(request.topics, 'SUBSCRIBE') : ofSubscription(request),
        open: (changed) => open(changed, onlyGoesOn),
      },
    )
  }

  /** Without HISTORY a client may still go on behind a cursor where it is known to have been there. */
  async #mayOnlyGoOn(request: EventsRequest, { viewer, resume }: Caller): Promise<boolean> {
    if (resume === undefined || !goesOn(request)) return false
    const allowed = await this.#gate.undefinedWhereDenied(async () => {
      await this.#parts.access.check(viewer, ofSubscription(request))
      return true
    })
    return allowed === undefined
  }
}

/** Permission is asked for before anything is read. */
async function* whilePermitted<Item>(
  items: AsyncGenerator<Item, undefined>,
  check: () => void | Promise<void>,
): AsyncGenerator<Item, undefined> {
  await check()
  for await (const item of items) {
    await check()
    yield item
  }
  return undefined
}
