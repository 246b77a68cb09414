import { after } from './timing.ts'

export interface HeartbeatOptions {
  /** How long a connection may be silent before it is asked for a sign of life, in milliseconds. */
  readonly keepAlive: number
  /** How long it has for that, in milliseconds. */
  readonly keepAliveTimeout: number
  /** Asks the server, which answers at once. */
  readonly ping: () => void
  /** Nothing came: nobody is there any more, whatever the socket says. */
  readonly onSilent: () => void
}

/** Finds connections that are dead and do not know it: a cable that was pulled, a network that was left. */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  #hasHeard = true
  #cancelBeat = () => {}
  #cancelDeadline: (() => void) | undefined

  constructor(options: HeartbeatOptions) {
    this.#options = options
    this.#beat()
  }

  /** Something came from the server. */
  hear(): void {
    this.#hasHeard = true
    this.#cancelDeadline?.()
    this.#cancelDeadline = undefined
  }

  /** Asks now: the machine may have slept, or changed its network. */
  probe(): void {
    if (this.#cancelDeadline) return
    this.#cancelDeadline = after(this.#options.keepAliveTimeout, this.#options.onSilent)
    this.#options.ping()
  }

  stop(): void {
    this.#cancelBeat()
    this.#cancelDeadline?.()
  }

  #beat(): void {
    this.#cancelBeat = after(this.#options.keepAlive, () => {
      if (!this.#hasHeard) this.probe()
      this.#hasHeard = false
      this.#beat()
    })
  }
}
