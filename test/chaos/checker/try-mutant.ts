import { check } from './check.ts'
import type { Violation } from './judge.ts'
import { buildMutant, type Mutant } from './mutants.ts'
import { checkPurge } from './purge.ts'

export interface Verdict {
  readonly isCaught: boolean
  /** The rules that were found broken. */
  readonly by: string
}

/** Checks a server that is broken on purpose. */
export async function tryMutant(mutant: Mutant, signal: AbortSignal): Promise<Verdict> {
  await using build = await buildMutant(mutant)
  const violations = await violationsOf(build.path, mutant, signal)
  const rules = [...new Set(violations.map(({ rule }) => rule))]
  return { isCaught: rules.some((rule) => mutant.breaks.includes(rule)), by: rules.join(', ') }
}

async function violationsOf(
  build: string,
  { scenario }: Mutant,
  signal: AbortSignal,
): Promise<readonly Violation[]> {
  if (scenario.kind === 'purge') return checkPurge(build)
  const { faults, seconds } = scenario
  const report = await check({
    ...{ seed: 1, seconds, build, faults, pauseMs: 100, patienceMs: 5_000 },
    pace: { freezeMs: 3_000, maxPauseMs: 1_000 },
    log: () => {},
    signal,
  })
  return report.violations
}
