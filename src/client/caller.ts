import { backoffMs } from './backoff.ts'
import type { Context } from './context.ts'
import { type CarillonError, carillonError } from './error.ts'
import { runOnce } from './run-once.ts'
import { deadlineIn, pause } from './timing.ts'

export interface CallOptions {
  /** How long it may take in all, waiting for a connection included, in milliseconds. Default: `timeout` of the client. */
  readonly timeout?: number | undefined
  /** Ends it before: it rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined
}

/** Asks the server what may be asked as often as it takes: queries, and mutations that do the same twice as once. */
export class Caller {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  /**
   * The data of the answer.
   * @throws CarillonError NOT_CONNECTED where there is no connection in time, NETWORK_ERROR where it was lost and none
   * came again, ACK_TIMEOUT, or what the server answers and is not retryable within the time
   */
  call<Data>(
    query: string,
    variables: Record<string, unknown>,
    { timeout = this.#context.timeout, signal }: CallOptions = {},
  ): Promise<Data> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal?.reason)
      if (signal?.aborted === true) return abort()
      signal?.addEventListener('abort', abort)
      this.#call<Data>(query, variables, deadlineIn(timeout))
        .finally(() => signal?.removeEventListener('abort', abort))
        .then(resolve, reject)
    })
  }

  async #call<Data>(
    query: string,
    variables: Record<string, unknown>,
    deadline: number,
  ): Promise<Data> {
    const { connector } = this.#context
    let last: CarillonError | undefined
    for (let failures = 0; ; failures++) {
      try {
        const connection = await connector.ready(deadline)
        return await runOnce<Data>(connection, query, variables, deadline)
      } catch (thrown) {
        const error = carillonError(thrown)
        if (error.code === 'NOT_CONNECTED') throw last ?? error
        last = error
        await this.recover(error, failures, deadline)
      }
    }
  }

  /** Waits until another try may be better; rejects with the error where none will be in time. */
  async recover(error: CarillonError, failures: number, deadline: number): Promise<void> {
    const { code, retryable, retryAfterMs } = error
    const { connector, backoff } = this.#context
    if (connector.end !== undefined) throw connector.end
    if (code === 'NETWORK_ERROR') return // the next connection will tell
    if (code === 'UNAUTHENTICATED' && failures === 0 && (await connector.renew())) return
    const waitMs = retryAfterMs ?? backoffMs(failures, backoff)
    if (!retryable || performance.now() + waitMs > deadline) throw error
    await pause(waitMs)
  }
}
