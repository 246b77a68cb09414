import type { CarillonClient } from '../client/client.ts'
import { type CarillonError, carillonError } from '../client/error.ts'
import type { PresenceEntry, PresenceMember, PresenceView } from '../client/presence.ts'
import { Store } from './store.ts'

export interface PresenceState<State = unknown> {
  /** Everyone who is there; another array after each change. While there is no connection, those who were there last. */
  readonly members: readonly PresenceMember<State>[]
  /** `loading` until it is known who is there. */
  readonly status: 'loading' | 'ready'
  /** Why the topic is none, the server does not show it, or does not take the state of this client. */
  readonly error: CarillonError | undefined
}

const EMPTY: PresenceState = Object.freeze({
  members: Object.freeze([]) as readonly PresenceMember[],
  status: 'loading',
  error: undefined,
})

/** Who is in a topic, as a component shows it, which may be there itself. */
export class PresenceStore extends Store<PresenceState> {
  readonly #client: CarillonClient
  readonly #topic: string
  readonly #isThere: boolean
  #state: unknown = null
  #said = 'null'
  #view: PresenceView | undefined
  #entry: PresenceEntry | undefined

  /** @param isThere whether this client is there itself, and not only watching */
  constructor(client: CarillonClient, topic: string, isThere: boolean) {
    super(EMPTY)
    this.#client = client
    this.#topic = topic
    this.#isThere = isThere
  }

  /** What this client says there. The same again is not said. @param text JSON */
  say(text: string): void {
    if (text === this.#said) return
    this.#said = text
    this.#state = JSON.parse(text)
    const entry = this.#entry
    entry?.update(this.#state).then(
      () => entry === this.#entry && this.#fail(undefined),
      (error) => entry === this.#entry && this.#fail(carillonError(error)),
    )
  }

  protected start(): void {
    try {
      const topic = this.#client.topic(this.#topic)
      const options = { onError: (error: CarillonError) => this.#fail(error) }
      this.#entry = this.#isThere ? topic.enter(this.#state, options) : undefined
      this.#view = this.#entry ?? topic.watch(options)
    } catch (error) {
      this.#fail(carillonError(error))
      return
    }
    this.#view.onChange((members) => {
      this.set({ members, status: 'ready', error: this.getSnapshot().error })
    })
  }

  protected stop(): void {
    this.#view?.leave()
    this.#entry = undefined
  }

  #fail(error: CarillonError | undefined): void {
    const snapshot = this.getSnapshot()
    if (snapshot.error !== error) this.set({ ...snapshot, error })
  }
}
