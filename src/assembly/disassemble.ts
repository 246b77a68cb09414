import type { Assembly } from './assemble.ts'

/** Closes all parts, from the outside in: each can still use what is behind it until it is done. */
export async function disassemble({
  transports,
  messaging,
  whoMay,
  database,
}: Assembly): Promise<void> {
  const retentionClosed = messaging.retention.close()
  await transports.server.close()
  await transports.resumptions.close()
  await transports.resumeStore[Symbol.asyncDispose]()
  await messaging.presence.close()
  await messaging.consumers.close()
  await messaging.acks.close()
  whoMay.publishLimiter.close()
  whoMay.rechecks?.close()
  await messaging.log.close()
  await messaging.hub.close()
  await messaging.sweeper.close()
  await messaging.bus.close()
  await whoMay.revocations.close()
  await retentionClosed
  await database.close()
}
