import * as connections from './connections.ts'
import * as operations from './operations.ts'
import type { Scenario } from './scenario.ts'

/** Everything that is tried, in this order. */
export const SCENARIOS: readonly Scenario[] = [
  connections.NEVER_INIT,
  operations.MANY_SUBSCRIPTIONS,
  operations.DEEP_QUERIES,
  operations.WIDE_QUERIES,
  operations.ALIASED_QUERIES,
  operations.CYCLIC_FRAGMENTS,
  operations.HUGE_QUERIES,
  connections.BROKEN_FRAMES,
  connections.ENDLESS_FRAGMENTS,
  connections.SMALL_FRAGMENTS,
  connections.SLOW_HEADERS,
  operations.NEVER_READS,
  operations.SOCKET_PUBLISHER,
  operations.HTTP_PUBLISHER,
  operations.HOSTILE_TEXTS,
  connections.WEBSOCKET_PINGS,
  connections.PROTOCOL_PINGS,
]

/** @throws Error where there is none of this name */
export function findScenario(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (found === undefined) throw new Error(`There is no scenario "${name}".`)
  return found
}
