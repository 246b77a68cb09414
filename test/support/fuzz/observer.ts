import { Caller } from './caller.ts'

/** Whom every message of a round trip is addressed to. */
export const OBSERVER = 'observer'

export const MESSAGE_FIELDS =
  'id topic sequence type payload metadata from clientId to idempotencyKey'

/** Topics of round trips. */
export const TRIP = 'trip'

interface Shown {
  readonly id: string
  readonly topic: string
}

const SUBSCRIBE = `subscription { messages(topics: "${TRIP}:*") { ${MESSAGE_FIELDS} } }`

const PROBE = `mutation { publish(input: { topic: "${TRIP}:probe", payload: 0 }) { duplicate } }`

/** Reads what others publish, live and later. */
export class Observer implements AsyncDisposable {
  readonly caller: Caller
  readonly #arrived = new Map<string, unknown>()
  #onArrived: (() => void) | undefined

  private constructor(caller: Caller) {
    this.caller = caller
  }

  /** Resolves once everything that is published from now on comes. */
  static async open(socketUrl: string): Promise<Observer> {
    const observer = new Observer(await Caller.open(socketUrl, { userId: OBSERVER }))
    observer.caller.listen(SUBSCRIBE, {}, ({ data }) => observer.#hear(data?.messages as Shown))
    while (observer.#arrived.size === 0) await observer.caller.ask(PROBE)
    return observer
  }

  /** The message with this id, as it has come live. */
  async arrival(id: string): Promise<unknown> {
    const came = new Promise<void>((resolve) => {
      this.#onArrived = () => {
        if (this.#arrived.has(id)) resolve()
      }
      this.#onArrived()
    })
    await this.caller.patiently(came)
    const message = this.#arrived.get(id)
    this.#arrived.clear()
    return message
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.caller[Symbol.asyncDispose]()
  }

  #hear(message: Shown): void {
    this.#arrived.set(message.id, message)
    this.#onArrived?.()
  }
}
