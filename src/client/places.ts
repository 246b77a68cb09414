import type { Gap } from '../protocol/errors.ts'
import { readCursor } from './cursor.ts'
import { Place, type Placed } from './place.ts'

/** The places of one subscription in all of its topics: for links of other GraphQL clients. */
export class Places {
  readonly #byTopic = new Map<string, Place>()
  /** The epochs of each topic, the present one last. */
  readonly #epochs = new Map<string, Set<string>>()
  readonly #unread: string[] = []

  /** @param after the cursors that the subscription was begun with */
  constructor(after: readonly string[] = []) {
    for (const cursor of after) {
      const { topic } = readCursor(cursor) ?? {}
      if (topic === undefined) this.#unread.push(cursor)
      else this.#byTopic.set(topic, new Place(cursor))
    }
  }

  /**
   * Whether a message is none that came before; takes its place if so. A new epoch is noticed by the cursor, too: it need not have been
   * told of by a gap.
   */
  take(message: Placed & { readonly topic: string }): boolean {
    const epoch = readCursor(message.cursor)?.epoch
    if (epoch !== undefined && !this.#isPresent(message.topic, epoch)) return false
    return this.#of(message.topic).take(message)
  }

  /** Whether there are numbers between the last message of its topic and this one, which is news. */
  leavesOut({ topic, sequence, cursor }: Placed & { readonly topic: string }): boolean {
    const last = this.#byTopic.get(topic)?.sequence ?? 0
    const isOfPresentEpoch = this.#epochOf(topic) === readCursor(cursor)?.epoch
    return isOfPresentEpoch && last > 0 && (sequence ?? 0) > last + 1
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

  /** False for an epoch that another one came after: nothing of it is news. */
  #isPresent(topic: string, epoch: string): boolean {
    const epochs = this.#epochs.get(topic) ?? new Set()
    const isNew = epochs.size > 0 && !epochs.has(epoch)
    if (isNew) this.pass({ topic, fromSequence: 1, toSequence: 1, reason: 'EPOCH_CHANGED' })
    this.#epochs.set(topic, epochs.add(epoch))
    return this.#epochOf(topic) === epoch
  }

  /** Undefined before the first message. */
  #epochOf(topic: string): string | undefined {
    return [...(this.#epochs.get(topic) ?? [])].at(-1)
  }

  #of(topic: string): Place {
    const place = this.#byTopic.get(topic) ?? new Place()
    this.#byTopic.set(topic, place)
    return place
  }
}
