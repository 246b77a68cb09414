import type { Cell } from './table.ts'

export interface PartOptions {
  /** Small and short, to see that everything works. */
  readonly quick: boolean
  /** How often each case is run, where that was asked for; what is run once passes over it. */
  readonly runs?: number | undefined
  /** How long each case is measured, where that was asked for. */
  readonly seconds?: number | undefined
}

/** A table of what was measured. */
export interface Table {
  readonly title: string
  readonly rows: readonly Readonly<Record<string, Cell>>[]
}

/** A figure that was promised to be this much at most. */
export interface Target {
  readonly name: string
  readonly measured: number
  readonly atMost: number
}

export interface Outcome {
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
  /** What went wrong, so that the figures above are not those of all. Default: nothing. */
  readonly failures?: readonly string[]
}

/** One question that the bench answers. */
export interface Part {
  readonly name: string
  measure(options: PartOptions): Promise<Outcome>
}
