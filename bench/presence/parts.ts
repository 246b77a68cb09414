import type { Part } from '../support/part.ts'
import { room, rooms } from './rest.ts'
import { storm } from './storm.ts'
import { sync } from './sync.ts'

/** In the order in which they run. */
export const PARTS: readonly Part[] = [room, rooms, sync, storm]
