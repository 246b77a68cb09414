import type { Connection } from './connection.ts'
import { CarillonError, serverError } from './error.ts'
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
  let stop = () => {}
  const answer = new Promise<Data>((resolve, reject) => {
    const fail = (errors: unknown) => reject(serverError(errors))
    stop = connection.run(
      { query, variables },
      {
        next: ({ data, errors }) => {
          if (errors === undefined)
            resolve(data as Data) // as the document says
          else fail(errors)
        },
        error: fail,
        complete: () => fail(undefined), // without an answer
        lost: ({ cause }) => reject(new CarillonError('NETWORK_ERROR', undefined, { cause })),
      },
    )
  })
  return within(deadline, 'ACK_TIMEOUT', answer).finally(() => stop())
}
