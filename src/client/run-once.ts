import type { Connection } from './connection.ts'
import { defer } from './deferred.ts'
import { CarillonError } from './error.ts'
import { within } from './timing.ts'

/**
 * One query or mutation, on one connection: the data of its answer.
 * @throws CarillonError NETWORK_ERROR where the connection is lost before it has come, ACK_TIMEOUT where it does not
 * come in time, or what the server answers
 */
export function runOnce<Data>(
  connection: Connection,
  query: string,
  variables: Record<string, unknown>,
  deadline: number,
): Promise<Data> {
  const { promise, resolve, reject } = defer<Data>()
  const stop = connection.run(
    { query, variables },
    {
      next: (data) => resolve(data as Data), // as the document says
      error: reject,
      lost: (cause) => reject(new CarillonError('NETWORK_ERROR', undefined, { cause })),
    },
  )
  return within(deadline, 'ACK_TIMEOUT', promise).finally(stop)
}
