import type { Context } from './context.ts'
import { type CarillonError, carillonError } from './error.ts'
import { recover } from './recover.ts'
import { runOnce } from './run-once.ts'
import { deadlineIn } from './timing.ts'

/**
 * Asks the server what may be asked as often as it takes: queries, and mutations that do the same twice as once. The data of the answer.
 * @throws CarillonError NOT_CONNECTED where there is no connection in time, NETWORK_ERROR where it was lost and none
 * came again, ACK_TIMEOUT, or what the server answers and is not retryable within the time
 */
export type Call = <Data>(
  query: string,
  variables: Record<string, unknown>,
  timeout?: number,
) => Promise<Data>

export function caller(context: Context): Call {
  return async (query, variables, timeout = context.timeout) => {
    const deadline = deadlineIn(timeout)
    let last: CarillonError | undefined
    for (let failures = 0; ; failures++) {
      try {
        const connection = await context.connector.ready(deadline)
        return await runOnce(connection, query, variables, deadline)
      } catch (thrown) {
        const error = carillonError(thrown)
        if (error.code === 'NOT_CONNECTED') throw last ?? error
        last = error
        await recover(context, error, { failures, deadline })
      }
    }
  }
}
