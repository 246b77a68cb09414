import type { Gap } from '../protocol/errors.ts'
import { decodeBase64url } from './base64url.ts'
import { Place, type Placed } from './place.ts'

/** The places of one subscription in all of its topics: for links of other GraphQL clients. */
export class Places {
  readonly #byTopic = new Map<string, Place>()
  readonly #unread: string[] = []

  /** @param after the cursors that the subscription was begun with */
  constructor(after: readonly string[] = []) {
    for (const cursor of after) {
      const topic = topicOf(cursor)
      if (topic === undefined) this.#unread.push(cursor)
      else this.#byTopic.set(topic, new Place(cursor))
    }
  }

  /** Whether a message is none that came before; takes its place if so. */
  take(message: Placed & { readonly topic: string }): boolean {
    return this.#of(message.topic).take(message)
  }

  /** Passes over what can no longer be delivered; answers what of it was not told before. */
  pass(gap: Gap): Gap | undefined {
    return this.#of(gap.topic).pass(gap)
  }

  /** Everything up to a cursor has been delivered. With its sequence where that is known, as of a snapshot. */
  reach(topic: string, cursor: string, sequence?: number): void {
    this.#of(topic).reach(cursor, sequence)
  }

  /** For the argument `after` of the next subscription, in place of the cursors it was begun with. */
  after(): readonly string[] {
    return [...this.#unread, ...[...this.#byTopic.values()].flatMap(({ cursor }) => cursor ?? [])]
  }

  #of(topic: string): Place {
    const place = this.#byTopic.get(topic) ?? new Place()
    this.#byTopic.set(topic, place)
    return place
  }
}

/**
 * The topic of a cursor, which is `<sequence>:<epoch>:<topic>` inside. Only here is one looked into: two cursors of
 * one topic would be refused, and without the first one what it stands for would be lost.
 */
function topicOf(cursor: string): string | undefined {
  return /^\d+:[^:]*:(.+)$/.exec(decodeBase64url(cursor) ?? '')?.[1]
}
