import type { Part } from '../support/part.ts'
import { consume } from './consume/part.ts'
import { reconnect } from './reconnect/part.ts'
import { retention } from './retention/part.ts'

/** In the order in which they run. */
export const PARTS: readonly Part[] = [reconnect, consume, retention]
