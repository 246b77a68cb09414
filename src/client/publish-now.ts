import type { Connection } from './connection.ts'
import { DOCUMENTS } from './documents.ts'
import type { Message } from './message.ts'
import type { PublishJob } from './publish-job.ts'
import { runOnce } from './run-once.ts'
import type { Limits } from './timing.ts'

interface Published {
  readonly publishMany: readonly { readonly message: Message }[]
}

/** Publishes all of them or none, in this order; answers the stored message of each. */
export async function publishNow(
  connection: Connection,
  jobs: readonly PublishJob[],
  limits: Limits,
): Promise<readonly Message[]> {
  const inputs = jobs.map((job) => job.input)
  for (const job of jobs) job.send()
  const { publishMany } = await runOnce<Published>(
    connection,
    DOCUMENTS.publish,
    { inputs },
    limits,
  )
  return publishMany.map(({ message }) => Object.freeze(message))
}
