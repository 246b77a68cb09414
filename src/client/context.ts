import type { Connector } from './connector.ts'
import type { Settings } from './settings.ts'

/** What the parts of one client share. */
export interface Context extends Settings {
  readonly connector: Readonly<Connector>
}
