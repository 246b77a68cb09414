import { format } from '../../../bench/support/table.ts'
import type { Outcome } from './arena.ts'
import type { CrowdReport } from './crowd.ts'

/** What an attack may do to the latency of the others: times that of the calm before. */
export const WORST_RATIO = 1.5

export interface Result {
  readonly outcome: Outcome
  /** What the well-behaved had in the end. */
  readonly end: CrowdReport
}

const COLUMNS = [
  'What the client does',
  'What the server does',
  'Others: p50, p99 ms, calm → attacked',
  'Lost, repeated, disordered, closed, refused',
  'Server: RSS MB, calm → peak',
  'Loop delay: p99, max ms',
  'Limit',
  'Answers',
] as const

export function tableOf(results: readonly Result[]): string {
  const lines = [COLUMNS, COLUMNS.map(() => '---'), ...results.map(cellsOf)]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function cellsOf({ outcome: { scenario, calm, attacked, answers, limits }, end }: Result) {
  const ratio = attacked.crowd.p99 / calm.crowd.p99
  const verdict = ratio <= WORST_RATIO ? '' : ` (${format(ratio)} ×)`
  const p50 = `${format(calm.crowd.p50)} → ${format(attacked.crowd.p50)}`
  const p99 = `${format(calm.crowd.p99)} → ${format(attacked.crowd.p99)}${verdict}`
  const missing = scenario.limits.filter((name) => !limits.includes(name))
  return [
    scenario.name,
    scenario.defence,
    `${p50}, ${p99}`,
    [end.lost, end.repeated, end.disordered, end.closed.length, refusedIn(attacked.crowd)].join(
      ', ',
    ),
    `${megabytes(calm.server.rss)} → ${megabytes(attacked.server.peakRss)}`,
    `${format(attacked.server.loopP99)}, ${format(attacked.server.loopMax)}`,
    limitsOf(limits, missing),
    answersOf(answers),
  ]
}

/** Publishes of the well-behaved that the server did not take. */
function refusedIn({ refused }: CrowdReport): number {
  return Object.values(refused).reduce((sum, count) => sum + count, 0)
}

function limitsOf(limits: readonly string[], missing: readonly string[]): string {
  const reached = limits.map((name) => `\`${name}\``)
  return [...reached, ...missing.map((name) => `\`${name}\` (not reached)`)].join(', ') || '–'
}

/** What came most often. */
export function answersOf(answers: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(answers).sort(([, a], [, b]) => b - a)
  return sorted
    .slice(0, 6)
    .map(([what, count]) => `${what}: ${format(count)}`)
    .join('; ')
}

function megabytes(bytes: number): string {
  return format(Math.round(bytes / 1024 / 1024))
}

/** What is wrong with an outcome, whatever the machine. */
export function faultsOf({ outcome: { attacked }, end }: Result): readonly string[] {
  return [
    end.lost > 0 ? `${end.lost} messages lost` : [],
    end.repeated > 0 ? `${end.repeated} messages repeated` : [],
    end.disordered > 0 ? `${end.disordered} messages out of order` : [],
    end.closed.map((how) => `a well-behaved socket was closed: ${how}`),
    Object.entries(attacked.crowd.refused).map(([code, count]) => `${count} publishes: ${code}`),
    saidBy(attacked.server.complaints),
  ].flat()
}

/** The first line of each, once. */
function saidBy(complaints: readonly string[]): readonly string[] {
  const lines = new Set(complaints.map((text) => text.split('\n')[0] ?? ''))
  return [...lines].map((line) => `the server says: ${line}`)
}
