import type { Limits } from '../access/limits.ts'
import type { Viewer } from '../access/viewer.ts'
import type { Bus } from '../bus/bus.ts'
import type { Draft } from '../core/message.ts'
import type { Appended, Log } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'
import { type PublishRequest, parsePublish } from './publish-request.ts'

export interface PublisherParts {
  readonly log: Log
  readonly bus: Bus
  readonly limits: Limits
}

/** The one way in: validates, appends to the log, and hands what is new to the bus. */
export class Publisher {
  readonly #log: Log
  readonly #bus: Bus
  readonly #limits: Limits

  constructor({ log, bus, limits }: PublisherParts) {
    this.#log = log
    this.#bus = bus
    this.#limits = limits
  }

  /** Resolves once the message is committed. Throws CarillonErrors of the catalogue. */
  async publish(request: PublishRequest, viewer: Viewer): Promise<Appended> {
    const [appended] = await this.#append([parsePublish(request, viewer, this.#limits)])
    if (appended === undefined) throw new Error('The log answered too few results.')
    return appended
  }

  /** Publishes all or nothing, in one commit and in this order. */
  async publishMany(
    requests: readonly PublishRequest[],
    viewer: Viewer,
  ): Promise<readonly Appended[]> {
    const { publishMany } = this.#limits
    if (requests.length > publishMany) {
      throw new CarillonError('INVALID_INPUT', `publishMany takes at most ${publishMany} inputs.`)
    }
    return this.#append(requests.map((request) => parsePublish(request, viewer, this.#limits)))
  }

  async #append(drafts: readonly Draft[]): Promise<readonly Appended[]> {
    const appended = await this.#log.append(drafts)
    this.#bus.publish(appended.filter(({ duplicate }) => !duplicate).map(({ message }) => message))
    return appended
  }
}
