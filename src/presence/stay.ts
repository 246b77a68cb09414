import type { JsonText } from '../core/json.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { PresenceStore } from './presence-store.ts'
import type { Session } from './session.ts'

export interface StayOptions {
  readonly store: PresenceStore
  readonly topic: TopicName
  readonly session: Session
  /** How long the client may be away, in milliseconds. */
  readonly graceMs: number
  readonly onEnd: () => void
}

/** That a client of this instance is present in a topic, from entering to leaving. */
export class Stay {
  readonly topic: TopicName
  readonly #options: StayOptions
  #session: Session
  #grace: NodeJS.Timeout | undefined
  #isOver = false

  constructor(options: StayOptions) {
    this.topic = options.topic
    this.#options = options
    this.#session = options.session
  }

  get session(): Session {
    return this.#session
  }

  async enter(): Promise<void> {
    await this.#options.store.apply(this.topic, { kind: 'enter', session: this.#session })
  }

  /** Answers whether it has its seat still: its client may have moved to another instance. */
  say(state: JsonText | null, saidAt: number): Promise<boolean> {
    this.#session = { ...this.#session, state, saidAt }
    return this.#options.store.apply(this.topic, { kind: 'say', session: this.#session })
  }

  /** Its connection is gone: it leaves when its client has not come back in time. */
  lose(): void {
    if (this.#isOver || this.#grace !== undefined) return
    this.#grace = setTimeout(() => void this.leave(), this.#options.graceMs)
    this.#grace.unref()
  }

  /** Leaves at once. Idempotent. */
  async leave(): Promise<void> {
    if (this.#isOver) return
    this.forget()
    await this.#options.store.apply(this.topic, { kind: 'leave', session: this.#session })
  }

  /** It stays in the store. Idempotent. */
  forget(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#grace)
    this.#options.onEnd()
  }
}
