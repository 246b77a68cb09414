import { setTimeout as delay } from 'node:timers/promises'
import { Crowd, type CrowdReport } from './crowd.ts'
import { inflict } from './inflict.ts'
import { judge, type Violation } from './judge.ts'
import { Random } from './random.ts'
import { readLog } from './read-log.ts'
import { type Fault, type PlannedFault, planFaults, type SchedulePace } from './schedule.ts'
import { createWorld, type World } from './world.ts'

export interface CheckOptions {
  readonly seed: number
  readonly seconds: number
  /** The folder of the server's build. */
  readonly build: string
  readonly pace: SchedulePace
  /** Default: all kinds. */
  readonly faults?: readonly Fault[]
  /** The share of the faults of parts that have a fault of the network meanwhile; default 0. */
  readonly overlap?: number
  /** How long everyone may take to catch up, in milliseconds. What takes longer is judged as it stands. */
  readonly patienceMs?: number | undefined
  /** The pause of each publisher between two publishes, in milliseconds. */
  readonly pauseMs: number
  readonly log: (line: string) => void
  /** Ends it early; all that was started is ended before it rejects. */
  readonly signal?: AbortSignal
}

/** How long it took until everyone had all that had been acknowledged when the fault was over. */
export interface Recovery {
  readonly fault: Fault
  /** The fault of the network that came while that one lasted. */
  readonly meanwhile?: Fault | undefined
  readonly ms: number
}

export interface Report extends CrowdReport {
  readonly recoveries: readonly Recovery[]
  readonly violations: readonly Violation[]
}

const SERVERS = 3

/** Beyond its time: to start, to end the last fault, to catch up and to judge, in milliseconds. */
const GRACE_MS = 240_000

/** Runs publishers and subscribers while parts fail, and judges what they saw. */
export async function check(options: CheckOptions): Promise<Report> {
  const { seed, seconds, build, pauseMs, patienceMs, log: tell } = options
  const signal = bounded(seconds * 1_000 + GRACE_MS, options.signal)
  const faults = planFaults(new Random(seed), { ...options, servers: SERVERS })
  await using world = await createWorld(build, SERVERS)
  await using crowd = new Crowd(world, { scope: 'chaos', seed, pauseMs, patienceMs, signal })
  await crowd.begin()
  tell('everyone is at work')
  const recoveries: Recovery[] = []
  const until = performance.now() + seconds * 1_000
  while (performance.now() < until) {
    const plan = faults.next().value
    await delay(plan.afterMs, undefined, { signal })
    recoveries.push(await suffer(plan, { world, crowd, log: tell, signal }))
  }
  await crowd.stopPublishing()
  await crowd.reaches(crowd.heads())
  const log = await readLog(world.instances[0]?.port ?? 0, crowd.topics)
  return { ...crowd.report(), recoveries, violations: judge({ ...crowd.history(), log }) }
}

function bounded(ms: number, signal?: AbortSignal): AbortSignal {
  const timeout = AbortSignal.timeout(ms)
  return signal === undefined ? timeout : AbortSignal.any([timeout, signal])
}

interface Stage {
  readonly world: World
  readonly crowd: Crowd
  readonly log: CheckOptions['log']
  readonly signal: AbortSignal
}

async function suffer(plan: PlannedFault, { world, crowd, log, signal }: Stage): Promise<Recovery> {
  await inflict(plan, world, signal)
  const start = performance.now()
  const behind = await crowd.reaches(crowd.heads())
  const ms = performance.now() - start
  const how =
    plan.meanwhile === undefined ? show(plan) : `${show(plan)}, and ${show(plan.meanwhile)}`
  if (behind.length === 0) log(`${how}: all at the head after ${Math.round(ms)} ms`)
  else log([`${how}: NOT AT THE HEAD after ${Math.round(ms)} ms:`, ...behind].join('\n    '))
  return { fault: plan.fault, meanwhile: plan.meanwhile?.fault, ms }
}

function show({ fault, server, lastsMs }: PlannedFault): string {
  return `${fault} ${server}, ${Math.round(lastsMs)} ms`
}
