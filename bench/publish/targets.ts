import { printTable } from '../support/table.ts'

/** A ratio or a rate, and what it has to be at least where something was promised. */
export interface Target {
  readonly name: string
  readonly measured: number
  readonly atLeast?: number
}

export function printTargets(targets: readonly Target[]): void {
  printTable(
    'ratios and targets',
    targets.map(({ name, measured, atLeast }) => ({
      what: name,
      measured,
      'at least': atLeast ?? '',
      verdict: atLeast === undefined ? '' : measured >= atLeast ? 'met' : 'MISSED',
    })),
  )
}
