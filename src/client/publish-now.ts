import type { Connection } from './connection.ts'
import { DOCUMENTS } from './documents.ts'
import { CarillonError } from './error.ts'
import type { Message } from './message.ts'
import type { PublishJob } from './publish-job.ts'
import { runOnce } from './run-once.ts'

interface Published {
  readonly publishMany: readonly { readonly message: Message }[]
}

/** Publishes all of them or none, in this order, and resolves them with their stored messages. */
export async function publishNow(
  connection: Connection,
  jobs: readonly PublishJob[],
  deadline: number,
): Promise<void> {
  const inputs = jobs.map((job) => {
    job.failure = new CarillonError('ACK_TIMEOUT')
    return job.input
  })
  const published = runOnce<Published>(connection, DOCUMENTS.publish, { inputs }, deadline)
  const { publishMany } = await published
  for (const [index, { message }] of publishMany.entries()) {
    jobs[index]?.resolve(Object.freeze(message))
  }
}
