import type { Load } from '../support/load.ts'

/** One line of the table. */
export interface PublishCase {
  readonly name: string
  readonly load: Load
}
