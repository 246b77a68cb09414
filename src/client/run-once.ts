import type { Connection, Result } from './connection.ts'
import { CarillonError, serverError } from './error.ts'
import { type Limits, within } from './timing.ts'

/**
 * One query or mutation, on one connection: the data of its answer.
 * @throws CarillonError NETWORK_ERROR where the connection is lost before it has come, ACK_TIMEOUT where it does not
 * come in time, or what the server answers
 */
export function runOnce<Data>(
  connection: Connection,
  query: string,
  variables: Record<string, unknown>,
  limits: Limits,
): Promise<Data> {
  let stop = () => {}
  const answer = new Promise<Data>((resolve, reject) => {
    const fail = (errors: unknown) => reject(serverError(errors))
    stop = connection.run(
      { query, variables },
      {
        next: ({ data, errors }: Result) => {
          if (errors === undefined)
            resolve(data as Data) // as the document says
          else fail(errors)
        },
        error: fail,
        complete: () => reject(new CarillonError('INTERNAL', 'There was no answer.')),
        lost: ({ cause }) => reject(new CarillonError('NETWORK_ERROR', undefined, { cause })),
      },
    )
  })
  return within(limits, () => new CarillonError('ACK_TIMEOUT'), answer).finally(stop)
}
