import { randomBytes } from 'node:crypto'
import type { Limits } from '../access/limits.ts'
import type { Viewer } from '../access/viewer.ts'
import type { Bus } from '../bus/bus.ts'
import { type AnyMessage, type Draft, EphemeralMessage } from '../core/message.ts'
import type { Log } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'
import { type ParsedPublish, type PublishRequest, parsePublish } from './publish-request.ts'

export interface PublisherParts {
  readonly log: Log
  readonly bus: Bus
  readonly limits: Limits
}

/** A message that has been published. */
export interface Published {
  readonly message: AnyMessage
  /** True where the idempotency key had been published before: `message` is that first one. */
  readonly duplicate: boolean
}

/** The one way in: validates, appends to the log what is to be kept, and hands what is new to the bus. */
export class Publisher {
  readonly #log: Log
  readonly #bus: Bus
  readonly #limits: Limits

  constructor({ log, bus, limits }: PublisherParts) {
    this.#log = log
    this.#bus = bus
    this.#limits = limits
  }

  /**
   * Resolves once the message is committed; an ephemeral one, once it is on its way. Throws
   * CarillonErrors of the catalogue.
   */
  async publish(request: PublishRequest, viewer: Viewer): Promise<Published> {
    const [published] = await this.#publish([parsePublish(request, viewer, this.#limits)])
    if (published === undefined) throw new Error('The log answered too few results.')
    return published
  }

  /** Publishes all or nothing, in one commit and in this order. */
  async publishMany(
    requests: readonly PublishRequest[],
    viewer: Viewer,
  ): Promise<readonly Published[]> {
    this.ensureFew(requests)
    return this.#publish(requests.map((request) => parsePublish(request, viewer, this.#limits)))
  }

  /** @throws CarillonError INVALID_INPUT where these are too many to be published at once */
  ensureFew(requests: readonly PublishRequest[]): void {
    const { publishMany } = this.#limits
    if (requests.length > publishMany) {
      throw new CarillonError('INVALID_INPUT', `publishMany takes at most ${publishMany} inputs.`, {
        limit: 'publishMany',
      })
    }
  }

  /** Ephemeral messages keep their place among those that are committed. */
  async #publish(parsed: readonly ParsedPublish[]): Promise<readonly Published[]> {
    const drafts = parsed.flatMap(({ draft, ephemeral }) => (ephemeral ? [] : [draft]))
    const appended = drafts.length === 0 ? [] : await this.#log.append(drafts)
    const inOrder = appended.values()
    const published = parsed.map(({ draft, ephemeral }): Published => {
      if (ephemeral) return { message: ephemeralMessage(draft), duplicate: false }
      const next = inOrder.next().value
      if (next === undefined) throw new Error('The log answered too few results.')
      return next
    })
    this.#bus.publish(published.flatMap(({ message, duplicate }) => (duplicate ? [] : [message])))
    return published
  }
}

/** Random bytes in the id of a message that stands nowhere. */
const EPHEMERAL_ID_BYTES = 12

function ephemeralMessage({ ttl, ...draft }: Draft): EphemeralMessage {
  const publishedAt = new Date()
  return new EphemeralMessage({
    ...draft,
    id: `e.${randomBytes(EPHEMERAL_ID_BYTES).toString('base64url')}`,
    publishedAt,
    expiresAt: ttl === null ? null : new Date(publishedAt.getTime() + ttl * 1_000),
  })
}
