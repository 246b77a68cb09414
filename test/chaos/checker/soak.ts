import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { interrupted } from '../interrupted.ts'
import { Crowd } from './crowd.ts'
import { judge } from './judge.ts'
import { Random } from './random.ts'
import { readLog } from './read-log.ts'
import { createWorld, type World } from './world.ts'

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    build: { type: 'string', default: fileURLToPath(new URL('../../../dist', import.meta.url)) },
  },
})

/** Each with other topics, consumers and clients, judged by itself, so that no history grows without bound. */
const SEGMENTS = 6
const SERVERS = 2

/** What a server may hold more of in the end than after the first segment: a part, and some megabytes. */
const GROWTH = { share: 0.25, bytes: 48 * 1024 * 1024, files: 20 }

/** How long a quiet server is given to collect its garbage, in milliseconds. */
const QUIET_MS = 3_000

interface Held {
  readonly rss: number
  readonly files: number
}

const seconds = values.seconds === undefined ? Number(values.hours) * 3_600 : Number(values.seconds)
const seed = Number(values.seed)
const signal = interrupted()
print(`soak for ${seconds} s, in ${SEGMENTS} segments`)
process.exit((await soak()) ? 0 : 1)

/** Steady load with a few reconnects: nothing may be lost, and nothing may grow. */
async function soak(): Promise<boolean> {
  await using world = await createWorld(values.build, SERVERS)
  const held: (readonly Held[])[] = []
  for (let segment = 1; segment <= SEGMENTS; segment++) {
    const isGood = await runSegment(world, segment)
    await delay(QUIET_MS)
    const now = world.instances.map(({ pid }) => heldBy(pid))
    held.push(now)
    const sizes = now.map(({ rss, files }) => `${Math.round(rss / 1024 / 1024)} MB, ${files} files`)
    print(
      `segment ${segment}: ${isGood ? 'every rule kept' : 'A RULE IS BROKEN'}; servers hold ${sizes.join('; ')}`,
    )
    if (!isGood) return false
  }
  const grown = world.instances.filter((_, n) => hasGrown(held[0]?.[n], held.at(-1)?.[n]))
  print(grown.length === 0 ? 'no server has grown' : `${grown.length} SERVERS HAVE GROWN`)
  return grown.length === 0
}

async function runSegment(world: World, segment: number): Promise<boolean> {
  const random = new Random(seed + segment)
  const options = { scope: `soak${segment}`, seed: seed + segment, pauseMs: 400, signal }
  await using crowd = new Crowd(world, options)
  await crowd.begin()
  const until = performance.now() + (seconds * 1_000) / SEGMENTS
  while (performance.now() < until) {
    await delay(Math.min(5_000, Math.max(0, until - performance.now())), undefined, { signal })
    random.oneOf(world.networks).cut(0.1)
  }
  await crowd.stopPublishing()
  await crowd.reaches(crowd.heads())
  const log = await readLog(world.instances[0]?.port ?? 0, crowd.topics)
  const violations = judge({ ...crowd.history(), log })
  const { acknowledged, delivered } = crowd.report()
  print(`segment ${segment}: ${acknowledged} acknowledged, ${delivered} delivered`)
  for (const { rule, what, history } of violations.slice(0, 5)) {
    print([`${rule}: ${what}`, ...history.map((line) => `    ${line}`)].join('\n'))
  }
  return violations.length === 0
}

/** Linux only, as is `/proc`. */
function heldBy(pid: number): Held {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return { rss: Number(kilobytes) * 1024, files: readdirSync(`/proc/${pid}/fd`).length }
}

function hasGrown(first: Held | undefined, last: Held | undefined): boolean {
  if (first === undefined || last === undefined) return true
  const bound = first.rss * (1 + GROWTH.share) + GROWTH.bytes
  return last.rss > bound || last.files > first.files + GROWTH.files
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
