import { type BackoffOptions, backoffMs } from './backoff.ts'
import type { Connector } from './connector.ts'
import { type CarillonError, carillonError } from './error.ts'
import { runOnce } from './run-once.ts'
import { deadlineIn, type Limits, pause } from './timing.ts'

export interface CallOptions {
  /** How long it may take in all, waiting for a connection included, in milliseconds. Default: `timeout` of the client. */
  readonly timeout?: number | undefined
  /** Ends it before. */
  readonly signal?: AbortSignal | undefined
}

/** Asks the server what may be asked as often as it takes: queries, and mutations that do the same twice as once. */
export class Caller {
  readonly #connector: Connector
  readonly #timeoutMs: number
  readonly #backoff: BackoffOptions

  constructor(connector: Connector, timeoutMs: number, backoff: BackoffOptions) {
    this.#connector = connector
    this.#timeoutMs = timeoutMs
    this.#backoff = backoff
  }

  /**
   * The data of the answer.
   * @throws CarillonError NOT_CONNECTED where there is no connection in time, NETWORK_ERROR where it was lost and none
   * came again, ACK_TIMEOUT, or what the server answers and is not retryable within the time
   */
  async call<Data>(
    query: string,
    variables: Record<string, unknown>,
    { timeout = this.#timeoutMs, signal }: CallOptions = {},
  ): Promise<Data> {
    const limits: Limits = { deadline: deadlineIn(timeout), signal }
    let last: CarillonError | undefined
    for (let failures = 0; ; failures++) {
      try {
        const connection = await this.#connector.ready(limits)
        return await runOnce<Data>(connection, query, variables, limits)
      } catch (thrown) {
        signal?.throwIfAborted()
        if (this.#connector.end !== undefined) throw this.#connector.end
        const error = carillonError(thrown)
        if (error.code === 'NOT_CONNECTED') throw last ?? error
        last = error
        await this.recover(error, failures, limits)
      }
    }
  }

  /** Waits until another try may be better; rejects with the error where none will be in time. */
  async recover(error: CarillonError, failures: number, limits: Limits): Promise<void> {
    if (error.code === 'NETWORK_ERROR') return // the next connection will tell
    if (error.code === 'UNAUTHENTICATED' && failures === 0 && (await this.#connector.renew()))
      return
    const waitMs = error.retryAfterMs ?? backoffMs(failures, this.#backoff)
    const isHopeless = !error.retryable || error.code === 'ACK_TIMEOUT'
    if (isHopeless || performance.now() + waitMs > limits.deadline) throw error
    await pause(waitMs, limits.signal)
  }
}
