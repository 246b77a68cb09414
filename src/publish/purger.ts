import type { Bus } from '../bus/bus.ts'
import { isEpoch } from '../core/cursor.ts'
import type { Epoch } from '../core/sequence.ts'
import { parseTopicName } from '../core/topic-name.ts'
import type { Log, TopicState } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'

export interface PurgeOptions {
  /**
   * Purge only while the topic has this epoch, and leave it as it is where it has not: a retry then
   * removes nothing that was published after the first purge.
   */
  readonly expectedEpoch?: string | null | undefined
}

export interface PurgerParts {
  readonly log: Log
  readonly bus: Bus
  /** Called when a purged topic has left something to delete. */
  readonly onPurged: () => void
}

/** Removes all messages of topics, and tells every instance that their numbering starts again. */
export class Purger {
  readonly #parts: PurgerParts

  constructor(parts: PurgerParts) {
    this.#parts = parts
  }

  /**
   * Answers where the topic stands then.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_INPUT, SERVICE_UNAVAILABLE
   */
  async purge(name: string, { expectedEpoch }: PurgeOptions = {}): Promise<TopicState> {
    const { log, bus, onPurged } = this.#parts
    const { topic, purged } = await log.purge(parseTopicName(name), parseEpoch(expectedEpoch))
    if (purged) {
      bus.announce({ topic: topic.name, epoch: topic.epoch })
      onPurged()
    }
    return topic
  }
}

function parseEpoch(epoch: string | null | undefined): Epoch | undefined {
  if (epoch == null) return undefined
  if (isEpoch(epoch)) return epoch
  throw new CarillonError('INVALID_INPUT', '`expectedEpoch` is not the epoch of a topic.')
}
