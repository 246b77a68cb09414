import type { Recovery, Report } from './check.ts'
import { RULES } from './judge.ts'
import { FAULTS } from './schedule.ts'

/** Violations that are shown whole; of more, only the number is said. */
const SHOWN = 5

/** One table of what happened, and the history of what broke a rule. */
export function tableOf(report: Report): string {
  const { recoveries, violations, repeated } = report
  const counts = [
    ['messages acknowledged', report.acknowledged],
    ['attempts to publish that failed', report.failedPublishes],
    ['messages delivered', report.delivered],
    ['of them repeated: by cursor', repeated.cursor],
    ['of them repeated: consumers, not acknowledged', repeated.consumer],
    ['of them repeated: automatic resume, marked', repeated.automatic],
    ['connections of 60 subscribers', report.connections],
  ] as const
  const lines = counts.map(([name, count]) => row(name, count.toLocaleString('en')))
  const [alone, doubled] = [recoveries.filter(isAlone), recoveries.filter((one) => !isAlone(one))]
  for (const fault of FAULTS) {
    lines.push(
      ...recoveryRow(
        fault,
        alone.filter((one) => one.fault === fault),
      ),
    )
  }
  lines.push(...recoveryRow('one of these, and the network of clients', doubled))
  for (const rule of RULES) {
    const broken = violations.filter((one) => one.rule === rule).length
    lines.push(row(`rule: ${rule}`, broken === 0 ? 'kept' : `BROKEN ${broken} times`))
  }
  return [...lines, ...violations.slice(0, SHOWN).flatMap(explain)].join('\n')
}

function isAlone({ meanwhile }: Recovery): boolean {
  return meanwhile === undefined
}

function recoveryRow(name: string, recoveries: readonly Recovery[]): readonly string[] {
  if (recoveries.length === 0) return []
  const sorted = recoveries.map(({ ms }) => ms).toSorted((one, other) => one - other)
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 0
  const longest = sorted.at(-1) ?? 0
  const text = `${sorted.length} times, all at the head after ${seconds(middle)} (longest ${seconds(longest)})`
  return [row(name, text)]
}

function explain({ rule, what, history }: Report['violations'][number]): readonly string[] {
  return ['', `${rule}: ${what}`, ...history.map((line) => `    ${line}`)]
}

function row(name: string, value: string): string {
  return `${name.padEnd(48)} ${value}`
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
