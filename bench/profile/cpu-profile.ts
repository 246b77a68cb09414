import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What `node --cpu-prof` writes: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** Microseconds of the system's monotonic clock, as process.hrtime() of any process. */
  readonly startTime: number
  /** The node of each sample. */
  readonly samples: readonly number[]
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[]
}

export interface ProfileNode {
  readonly id: number
  readonly callFrame: CallFrame
  readonly children?: readonly number[]
}

export interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

/** The one profile in a folder. */
export async function readProfile(folder: string): Promise<CpuProfile> {
  const [name] = (await readdir(folder)).filter((file) => file.endsWith('.cpuprofile'))
  if (name === undefined) throw new Error('The server has left no profile.')
  return JSON.parse(await readFile(join(folder, name), 'utf8')) as CpuProfile
}

/** Instants between which samples count, in microseconds of the monotonic clock. */
export interface Span {
  readonly from: number
  readonly until: number
}

/** The time spent in each node itself, by its id, in microseconds. */
export function selfTimes(profile: CpuProfile, { from, until }: Span): ReadonlyMap<number, number> {
  const times = new Map<number, number>()
  let instant = profile.startTime
  profile.samples.forEach((id, index) => {
    const delta = profile.timeDeltas[index] ?? 0
    instant += delta
    if (instant >= from && instant < until) times.set(id, (times.get(id) ?? 0) + delta)
  })
  return times
}

/** The node of the time when nothing ran. */
export function isIdle({ callFrame }: ProfileNode): boolean {
  return callFrame.functionName === '(idle)'
}
