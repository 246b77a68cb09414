import { type Remote, startRemote } from '../fanout/channel.ts'
import { median } from '../fanout/rounds.ts'
import { largest, smallest } from '../support/extremes.ts'
import type { Outcome, PartOptions } from '../support/part.ts'
import { format } from '../support/table.ts'
import { MODES, type Mode, openServer } from './access-server.ts'
import type { LoadCommands } from './load.ts'
import type { Durations, Round, Sample } from './round.ts'

/** What is measured in both modes. */
export interface Comparison {
  readonly title: string
  /** What the CPU is divided by. */
  readonly unit: string
  /** Of the ratio. Default: it is for information. */
  readonly atMost?: number
  /** How much longer than others a new server is loaded before it is warm. Default: 1. */
  readonly warmUpTimes?: number
  ask(load: Remote<LoadCommands>, round: Round): Promise<Sample>
}

interface PairPlan {
  readonly rounds: number
  /** Of the first round of each server, which does not count. */
  readonly first: Durations
  readonly durations: Durations
}

interface RoundSample extends Sample {
  readonly mode: Mode
}

const ROUNDS = 4
/** Then both servers are new: processes differ from one another, whatever their mode. */
const ROUNDS_OF_A_PAIR = 2

/** What access costs, in turns: another program that is busy for a while hits both modes. */
export async function compare(options: PartOptions, comparison: Comparison): Promise<Outcome> {
  const rounds = Math.ceil(options.runs ?? (options.quick ? 2 : ROUNDS))
  const durations = durationsOf(options)
  const first = { warmUpMs: 0, measureMs: durations.warmUpMs * (1 + (comparison.warmUpTimes ?? 1)) }
  const samples: RoundSample[] = []
  await using load = startRemote<LoadCommands>('../access/load.ts')
  const ask = (round: Round) => comparison.ask(load, round)
  for (let done = 0; done < rounds; done += ROUNDS_OF_A_PAIR) {
    const left = Math.min(ROUNDS_OF_A_PAIR, rounds - done)
    samples.push(...(await measurePair({ rounds: left, first, durations }, ask)))
  }
  for (const { mode, cpuMicros } of samples) {
    console.error(`${comparison.title}, ${mode}: ${format(cpuMicros)} µs a ${comparison.unit}`)
  }
  return outcomeOf(comparison, samples)
}

function durationsOf({ quick, seconds = quick ? 1 : 3 }: PartOptions): Durations {
  return { warmUpMs: quick ? 500 : 1_000, measureMs: 1_000 * seconds }
}

async function measurePair(
  { rounds, first, durations }: PairPlan,
  ask: (round: Round) => Promise<Sample>,
): Promise<readonly RoundSample[]> {
  await using open = await openServer('open')
  await using required = await openServer('required')
  for (const { subject } of [open, required]) await ask({ ...subject, ...first })
  const samples: RoundSample[] = []
  for (let round = 0; round < rounds; round++) {
    for (const { mode, subject } of [open, required]) {
      samples.push({ mode, ...(await ask({ ...subject, ...durations })) })
    }
  }
  return samples
}

function outcomeOf({ title, unit, atMost }: Comparison, samples: readonly RoundSample[]): Outcome {
  const of = (mode: Mode, figure: (sample: Sample) => number) =>
    samples.filter((sample) => sample.mode === mode).map(figure)
  const costs = (mode: Mode) => of(mode, ({ cpuMicros }) => cpuMicros)
  const ratio = median(costs('required')) / median(costs('open'))
  const rows = MODES.map((mode) => ({
    mode,
    rounds: costs(mode).length,
    'units/s': median(of(mode, ({ perSecond }) => perSecond)),
    [`CPU µs/${unit}`]: median(costs(mode)),
    lowest: smallest(costs(mode)),
    highest: largest(costs(mode)),
    'times open': mode === 'open' ? 1 : ratio,
    'load CPU': `${format(100 * median(of(mode, ({ loadBusy }) => loadBusy)))} %`,
  }))
  const name = `${title}: CPU, times open mode`
  return {
    tables: [{ title, rows }],
    targets: atMost === undefined ? [] : [{ name, measured: ratio, atMost }],
  }
}
