import { randomUUID } from 'node:crypto'
import type { Carillon } from 'carillon'
import { ownCpuMicros } from '../support/process-usage.ts'
import type { PublishCase } from './case.ts'
import { payloadOf, topicOf } from './sample.ts'

export interface LibraryCaseOptions {
  readonly publishers: number
  readonly keys: boolean
}

/** `carillon.publish` in the process of the publishers. */
export function libraryCase(
  carillon: Carillon,
  { publishers, keys }: LibraryCaseOptions,
): PublishCase {
  let number = 0
  return {
    name: keys ? 'carillon.publish, idempotency keys' : 'carillon.publish',
    load: {
      publishers,
      cpuMicros: ownCpuMicros,
      publish: (publisher) =>
        carillon.publish({
          topic: topicOf(publisher),
          payload: payloadOf(number++),
          ...(keys ? { idempotencyKey: randomUUID() } : {}),
        }),
    },
  }
}
