import type { ChurnCost } from './churn.ts'
import type { Delivery } from './delivery.ts'
import type { IdleMemory } from './memory.ts'
import type { SlowReaders } from './slow-readers.ts'
import type { TwoInstances } from './two-instances.ts'

/** All that one run of the bench has measured; a part that did not run has no rows. */
export interface Results {
  readonly machine: string
  readonly runs: number
  readonly database: 'PostgreSQL' | 'embedded'
  readonly deliveries: readonly Delivery[]
  readonly selections: readonly Delivery[]
  readonly memory: readonly IdleMemory[]
  readonly slowReaders: readonly SlowReaders[]
  readonly churn: readonly ChurnCost[]
  readonly twoInstances: readonly TwoInstances[]
}
