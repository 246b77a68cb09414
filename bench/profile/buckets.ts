import { type CallFrame, type CpuProfile, isIdle } from './cpu-profile.ts'

export interface Bucket {
  readonly name: string
  readonly micros: number
}

/** Sums self times under the names that `nameOf` gives to frames, the largest first. */
export function sumBy(
  profile: CpuProfile,
  times: ReadonlyMap<number, number>,
  nameOf: (frame: CallFrame) => string,
): readonly Bucket[] {
  const sums = new Map<string, number>()
  for (const node of profile.nodes) {
    if (isIdle(node)) continue
    const name = nameOf(node.callFrame)
    sums.set(name, (sums.get(name) ?? 0) + (times.get(node.id) ?? 0))
  }
  return [...sums]
    .map(([name, micros]) => ({ name, micros }))
    .sort((one, other) => other.micros - one.micros)
}

/** The package of a frame, or the room of this one, or what Node does. */
export function ownerOf({ url, functionName }: CallFrame): string {
  const owner = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
  if (owner !== undefined) return owner
  const room = /\/dist\/(generated|[^/]+)\//.exec(url)?.[1]
  if (room !== undefined) return `carillon ${room}/`
  if (url.startsWith('node:')) return `node ${moduleOf(url)}`
  return functionName.startsWith('(') ? (NATIVE[functionName] ?? functionName) : 'node built-ins'
}

/** The function with its file, for the finer list. */
export function functionOf(frame: CallFrame): string {
  const file = frame.url.split('/').slice(-2).join('/')
  return `${frame.functionName || '(anonymous)'}  ${ownerOf(frame)}  ${file}:${frame.lineNumber + 1}`
}

const NATIVE: Readonly<Record<string, string>> = {
  '(program)': 'node, native code and system calls',
  '(garbage collector)': 'garbage collector',
}

/** Sockets, streams, timers …: the modules of Node under the name of their group. */
function moduleOf(url: string): string {
  return url.replace(/^node:(internal\/)?/, '').replace(/\/.*/, '')
}
