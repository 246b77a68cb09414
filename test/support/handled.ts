import { EventEmitter, once } from 'node:events'
import type { AnyMessage, Message } from 'carillon'

/** What handlers were called with, and a way to wait for it. */
export class Handled {
  readonly #messages: Message[] = []
  readonly #events = new EventEmitter()

  /** Remembers a call. */
  add(message: Message): void {
    this.#messages.push(message)
    this.#events.emit('call')
  }

  get count(): number {
    return this.#messages.length
  }

  /** The payloads, in the order of the calls. */
  get payloads(): readonly unknown[] {
    return this.#messages.map(({ payload }) => payload)
  }

  /** The sequences of a topic, in the order of the calls. */
  sequencesOf(topic: string): readonly number[] {
    return this.#messages.filter((message) => message.topic === topic).map(sequenceOf)
  }

  /** Resolves once there have been so many calls. */
  async atLeast(count: number): Promise<void> {
    while (this.#messages.length < count) await once(this.#events, 'call')
  }
}

function sequenceOf({ sequence }: AnyMessage): number {
  return sequence ?? 0
}

/** A promise that the test resolves. */
export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

export function gate(): Gate {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
