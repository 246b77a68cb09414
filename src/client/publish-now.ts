import type { Connector } from './connector.ts'
import { DOCUMENTS } from './documents.ts'
import { CarillonError } from './error.ts'
import type { Message } from './message.ts'
import { type PublishJob, pending } from './publish-job.ts'
import { runOnce } from './run-once.ts'

interface Published {
  readonly publishMany: readonly { readonly message: Message }[]
}

/** Publishes all of them or none, in this order, and resolves them with their stored messages. */
export async function publishNow(
  connector: Readonly<Connector>,
  jobs: readonly PublishJob[],
  deadline: number,
): Promise<void> {
  const connection = await connector.ready(deadline)
  const sent = pending(jobs)
  for (const job of sent) job.failure = new CarillonError('ACK_TIMEOUT')
  const inputs = sent.map((job) => job.input)
  const published = runOnce<Published>(connection, DOCUMENTS.publish, { inputs }, deadline)
  const { publishMany } = await published
  for (const [index, { message }] of publishMany.entries()) {
    sent[index]?.resolve(Object.freeze(message))
  }
}
