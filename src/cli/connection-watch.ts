import { EXIT, Failure } from './failure.ts'
import { note } from './print.ts'
import { reasonText } from './reason.ts'
import type { Target } from './target.ts'

/** Tells the person who looks on that the server is away, once, and that it is back; and bounds how long it may be in the beginning. */
export class ConnectionWatch {
  readonly #target: Target
  #lastReason: unknown
  #wasConnected = false
  #isTold = false
  #onFirst = () => {}
  readonly #first = new Promise<void>((resolve) => {
    this.#onFirst = resolve
  })

  constructor(target: Target) {
    this.#target = target
  }

  connected(): void {
    if (this.#isTold) note(`carillon: Connected${this.#wasConnected ? ' again' : ''}.\n`)
    this.#wasConnected = true
    this.#isTold = false
    this.#lastReason = undefined
    this.#onFirst()
  }

  lost(reason: unknown): void {
    this.#lastReason = reason
    if (this.#isTold) return
    this.#isTold = true
    const { address } = this.#target
    const what = this.#wasConnected
      ? `The connection to ${address} is lost`
      : `No connection to ${address}`
    note(`carillon: ${what}: ${reasonText(reason)}. Trying again …\n`)
  }

  /** Resolves once there has been a connection. @throws Failure where there is none in time */
  inTime(): Promise<void> {
    return this.within(this.#first)
  }

  /** @throws Failure where the work takes longer than the server may */
  within<T>(work: Promise<T>): Promise<T> {
    const { promise, cancel } = this.#deadline()
    return Promise.race([work, promise]).finally(cancel)
  }

  #deadline(): { readonly promise: Promise<never>; readonly cancel: () => void } {
    let timer: NodeJS.Timeout | undefined
    const promise = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(this.#tooLate()), this.#target.timeoutMs)
    })
    return { promise, cancel: () => clearTimeout(timer) }
  }

  #tooLate(): Failure {
    const { address, timeoutMs } = this.#target
    if (this.#lastReason === undefined) {
      return new Failure(`${address} has not answered within ${timeoutMs / 1_000} s.`, EXIT.AWAY)
    }
    const why = reasonText(this.#lastReason)
    return new Failure(`There is no connection to ${address}: ${why}.`, EXIT.AWAY)
  }
}
