import { setTimeout as sleep } from 'node:timers/promises'
import { startRemote } from '../fanout/channel.ts'
import type { Outcome, Part, Target } from '../support/part.ts'
import type { Cell } from '../support/table.ts'
import { type People, topicsOf } from './people.ts'
import type { PlainCommands } from './plain.ts'
import { Scene, type Used } from './scene.ts'

/** The default of Carillon; a lease is renewed three times in it, and so are heartbeats here. */
const LEASE_MS = 30_000
const WATCHERS = 200

interface Size extends People {
  /** How long everything rests before and while it is measured. */
  readonly settleMs: number
  readonly idleMs: number
  readonly ms: number
}

interface Measured {
  readonly size: Size
  /** Redis without clients. */
  readonly alone: Used
  readonly plain: Used
  /** Servers in which nobody is present. */
  readonly nobody: Used
  readonly present: Used
}

/** What it costs that many are in one topic, and nothing happens. */
export const room: Part = {
  name: 'room',
  measure: ({ quick }) => measure(sizeOf({ topics: 1, members: quick ? 1_000 : 10_000 }, quick)),
}

/** The same in many topics of a few. */
export const rooms: Part = {
  name: 'rooms',
  measure: ({ quick }) =>
    measure(
      sizeOf(quick ? { topics: 500, members: 2_500 } : { topics: 10_000, members: 50_000 }, quick),
    ),
}

function sizeOf(people: People, quick: boolean): Size {
  return quick
    ? { ...people, settleMs: 2_000, idleMs: 3_000, ms: LEASE_MS / 3 }
    : { ...people, settleMs: 10_000, idleMs: LEASE_MS, ms: 2 * LEASE_MS }
}

async function measure(size: Size): Promise<Outcome> {
  await using scene = await Scene.open()
  const alone = await scene.resting(size.idleMs, [])
  const plain = await measurePlain(scene, size)
  await scene.openServers()
  await scene.watch('watchers', { topics: topicsOf(size), clients: WATCHERS })
  await sleep(size.settleMs)
  const nobody = await scene.resting(size.idleMs)
  const start = performance.now()
  await scene.enter(size)
  for (const server of scene.servers) await server.ask('drain')
  console.error(`${size.members} entered in ${Math.round(performance.now() - start)} ms`)
  await sleep(size.settleMs)
  const present = await scene.resting(size.ms)
  return outcomeOf({ size, alone, plain, nobody, present })
}

async function measurePlain(scene: Scene, { topics, members, settleMs, ms }: Size): Promise<Used> {
  await using plain = startRemote<PlainCommands>('../presence/plain.ts')
  const people = { topics, members }
  await plain.ask('start', { redisUrl: scene.redis.url, everyMs: LEASE_MS / 3, ...people })
  await sleep(settleMs)
  return await scene.resting(ms, [plain])
}

function outcomeOf({ size, alone, plain, nobody, present }: Measured): Outcome {
  const { topics, members } = size
  const plainNet = difference(plain, alone)
  const net = difference(present, nobody)
  return {
    tables: [
      {
        title: `${members} members in ${topics === 1 ? 'one topic' : `${topics} topics`} on two servers, at rest; of each second`,
        rows: [
          row('servers, nobody present', nobody, '', ''),
          row('servers, all present', present, net.serverMs, net.redisMs),
          row('Redis alone', alone, '', ''),
          row('plain: a heartbeat each', plain, plainNet.serverMs, plainNet.redisMs),
        ],
      },
    ],
    targets: targetsOf(members, net, plainNet),
  }
}

function row(name: string, used: Used, serverNet: Cell, redisNet: Cell) {
  return {
    what: name,
    'process CPU ms': used.serverMs,
    'net CPU ms': serverNet,
    'Redis CPU ms': used.redisMs,
    'net Redis ms': redisNet,
    'commands/s': used.commands,
  }
}

function difference(one: Used, other: Used): Used {
  return {
    serverMs: Math.max(0, one.serverMs - other.serverMs),
    redisMs: Math.max(0, one.redisMs - other.redisMs),
    commands: Math.max(0, one.commands - other.commands),
  }
}

function targetsOf(members: number, net: Used, plain: Used): readonly Target[] {
  return [
    {
      name: `${members} at rest: CPU of the servers, times the plain way`,
      measured: net.serverMs / plain.serverMs,
      atMost: 0.25,
    },
    {
      name: `${members} at rest: commands, times the plain way`,
      measured: net.commands / plain.commands,
      atMost: 0.15,
    },
    {
      name: `${members} at rest: CPU of Redis, times the plain way`,
      measured: net.redisMs / plain.redisMs,
      atMost: 0.15,
    },
  ]
}
