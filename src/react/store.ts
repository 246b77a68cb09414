import { after } from '../client/timing.ts'

/**
 * Something that components read by `useSyncExternalStore`. It runs while somebody reads it: from the first reader on, until shortly
 * after the last one is gone. Shortly after, because React in strict mode mounts each component twice, and what is gone
 * for no time at all need not be ended and begun again. Making one has no effects, so that React may throw it away.
 */
export abstract class Store<Snapshot> {
  readonly #initial: Snapshot
  readonly #listeners = new Set<() => void>()
  #snapshot: Snapshot
  #isRunning = false
  #cancelStop = () => {}

  constructor(initial: Snapshot) {
    this.#initial = initial
    this.#snapshot = initial
  }

  /** Answers how to be told no more. */
  readonly subscribe = (listener: () => void): (() => void) => {
    const own = () => listener() // the same one may come twice
    this.#cancelStop()
    this.#listeners.add(own)
    if (!this.#isRunning) {
      this.#isRunning = true
      this.start()
    }
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#stopSoon()
    }
  }

  /** The same object until something has changed. */
  readonly getSnapshot = (): Snapshot => this.#snapshot

  /** What servers render, and browsers over what servers have rendered. */
  readonly getServerSnapshot = (): Snapshot => this.#initial

  protected abstract start(): void

  /** It may start again, and goes on where it was. */
  protected abstract stop(): void

  protected get isRunning(): boolean {
    return this.#isRunning
  }

  protected set(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    for (const listener of [...this.#listeners]) listener()
  }

  #stopSoon(): void {
    this.#cancelStop = after(0, () => {
      this.#isRunning = false
      this.stop()
    })
  }
}
