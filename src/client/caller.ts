import type { Context } from './context.ts'
import { type CarillonError, carillonError } from './error.ts'
import { runOnce } from './run-once.ts'
import { deadlineIn } from './timing.ts'

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
  async call<Data>(
    query: string,
    variables: Record<string, unknown>,
    timeout = this.#context.timeout,
  ): Promise<Data> {
    const deadline = deadlineIn(timeout)
    const { connector, recover } = this.#context
    let last: CarillonError | undefined
    for (let failures = 0; ; failures++) {
      try {
        const connection = await connector.ready(deadline)
        return await runOnce<Data>(connection, query, variables, deadline)
      } catch (thrown) {
        const error = carillonError(thrown)
        if (error.code === 'NOT_CONNECTED') throw last ?? error
        last = error
        await recover(error, failures, deadline)
      }
    }
  }
}
