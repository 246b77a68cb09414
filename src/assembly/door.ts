import { Arrivals } from '../access/arrivals.ts'
import { Origins } from '../access/origins.ts'
import { inProduction } from '../access/production.ts'
import type { CarillonOptions } from '../carillon.ts'

/** Who may come in from where, and what is shown to all. */
export interface Door {
  readonly origins: Origins
  readonly arrivals: Arrivals
  readonly graphiql: boolean
  readonly introspection: boolean
}

/** @throws TypeError where one of `origins` is none, or `trustProxy` */
export function openDoor(options: CarillonOptions): Door {
  const { origins, trustProxy, graphiql, introspection } = options
  const isDevelopment = !inProduction()
  return {
    origins: new Origins(origins, isDevelopment),
    arrivals: new Arrivals(trustProxy ?? false),
    graphiql: graphiql ?? isDevelopment,
    introspection: introspection ?? isDevelopment,
  }
}
