import type { LimitName, Limits } from '../access/limits.ts'
import { CarillonError } from '../protocol/errors.ts'

export type CountedLimits = Pick<
  Limits,
  'connections' | 'connectionsPerAddress' | 'unauthenticatedConnections'
>

/** When a client may try again for which there was no room, in milliseconds. */
const RETRY_AFTER_MS = 5_000

/**
 * How many WebSockets and event streams there may be. Each is admitted before its handshake, so that those that wait for
 * one count, too, and released once. Of those that have not said who they are, the oldest make room: a flood of silent sockets
 * drives itself out, and honest clients, which speak at once, come in.
 */
export class ConnectionLimits<Socket> {
  readonly #limits: CountedLimits
  readonly #onLimit: (name: LimitName) => void
  readonly #byAddress = new Map<string, number>()
  /** From the oldest on, which a Set remembers. */
  readonly #unauthenticated = new Set<Socket>()
  #open = 0

  constructor(limits: CountedLimits, onLimit: (name: LimitName) => void) {
    this.#limits = limits
    this.#onLimit = onLimit
  }

  /** Connections that are open, or wait for their handshake. */
  get open(): number {
    return this.#open
  }

  /**
   * Counts a connection; answers why not, where there is no room for it.
   * @param address empty where it is not known; then it counts for the instance alone
   */
  admit(address: string): CarillonError | undefined {
    const { connections, connectionsPerAddress } = this.#limits
    const ofAddress = this.#byAddress.get(address) ?? 0
    if (this.#open >= connections) {
      return this.#refuse(
        'SERVICE_UNAVAILABLE',
        'connections',
        'This instance has no room for more connections.',
      )
    }
    if (address !== '' && ofAddress >= connectionsPerAddress) {
      const message = `There are ${ofAddress} connections from this address already.`
      return this.#refuse('RATE_LIMIT_EXCEEDED', 'connectionsPerAddress', message)
    }
    this.#open++
    this.#byAddress.set(address, ofAddress + 1)
    return undefined
  }

  release(address: string): void {
    const left = (this.#byAddress.get(address) ?? 0) - 1
    this.#open--
    if (left > 0) this.#byAddress.set(address, left)
    else this.#byAddress.delete(address)
  }

  /** Takes a socket that has not said yet who it is; answers the oldest of them where it has to make room. */
  await(socket: Socket): Socket | undefined {
    this.#unauthenticated.add(socket)
    const [oldest] = this.#unauthenticated
    if (this.#unauthenticated.size <= this.#limits.unauthenticatedConnections) return undefined
    if (oldest !== undefined) this.#unauthenticated.delete(oldest)
    this.#onLimit('unauthenticatedConnections')
    return oldest
  }

  /** Tells that a socket has said who it is, or is gone. */
  settle(socket: Socket): void {
    this.#unauthenticated.delete(socket)
  }

  #refuse(
    code: 'SERVICE_UNAVAILABLE' | 'RATE_LIMIT_EXCEEDED',
    limit: LimitName,
    message: string,
  ): CarillonError {
    this.#onLimit(limit)
    return new CarillonError(code, message, { limit, retryAfterMs: RETRY_AFTER_MS })
  }
}
