import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Carillon, createCarillon } from 'carillon'
import { answerCommands } from '../fanout/channel.ts'
import type { Endpoint } from '../fanout/client.ts'
import { ownCpuMicros } from '../support/process-usage.ts'
import { instanceOf, type People, type Range, stateOf, topicOf, userIdOf } from './people.ts'
import { Profiler } from './profiler.ts'

export interface Opening {
  readonly databaseUrl: string
  readonly redisUrl: string
  /** Which of the two it is: 0 or 1. */
  readonly instance: number
}

export interface Storm {
  /** Those who come, and go later; their topic is the one that `topics` has. */
  readonly people: Range
  readonly topics: number
  /** How many come in a second, and how many go. */
  readonly perSecond: number
  /** How many are there at once: so long does each stay. */
  readonly staying: number
  readonly ms: number
}

export interface StormOutcome {
  readonly joins: number
  readonly leaves: number
  /** CPU of this process meanwhile, in microseconds. */
  readonly cpuMicros: number
  /** Until the last of them had come or gone, from the first, in milliseconds. */
  readonly ms: number
}

/** What the program of a server does when asked. */
export interface ServerCommands {
  open(opening: Opening): Promise<Endpoint>
  /** Lets those of the people who are of this instance enter. */
  enter(entering: People & Range): Promise<void>
  /** Takes what has been, and will be, told to those who have entered. */
  drain(): void
  /** Many come, and go after a while. */
  storm(storm: Storm): Promise<StormOutcome>
  members(topic: string): Promise<number>
  /** CPU time so far, of all threads, in microseconds. */
  cpu(): number
  startProfile(): Promise<void>
  /** @param file where to write it */
  stopProfile(file: string): Promise<void>
}

type Stay = Awaited<ReturnType<Carillon['presence']>>

/** Entering side by side. */
const AT_ONCE = 100
const TICK_MS = 2

const stays: Stay[] = []
const profiler = new Profiler()
let opened: Carillon | undefined
let ownInstance = 0

answerCommands<ServerCommands>({
  async open({ databaseUrl, redisUrl, instance }) {
    opened = await createCarillon({ databaseUrl, redisUrl })
    ownInstance = instance
    const { port } = await opened.listen({ port: 0 })
    return { port, path: '/graphql' }
  },
  async enter({ from, to, ...people }) {
    const numbers = ownNumbers(people, { from, to })
    for (let start = 0; start < numbers.length; start += AT_ONCE) {
      const some = numbers.slice(start, start + AT_ONCE)
      stays.push(...(await Promise.all(some.map((number) => enter(people, number)))))
    }
  },
  drain() {
    for (const stay of stays) void drain(stay)
  },
  storm,
  members: async (topic) => (await carillon().members(topic)).length,
  cpu: ownCpuMicros,
  startProfile: () => profiler.start(),
  stopProfile: (file) => profiler.stop(file),
})

function carillon(): Carillon {
  if (opened === undefined) throw new Error('The server has not been opened.')
  return opened
}

function ownNumbers(people: Pick<People, 'topics'>, { from, to }: Range): readonly number[] {
  const all = Array.from({ length: to - from }, (_, index) => from + index)
  return all.filter((number) => instanceOf(people, number) === ownInstance)
}

/** One client of one user, by the library: no socket is in what is measured. */
function enter(people: Pick<People, 'topics'>, number: number): Promise<Stay> {
  const request = { topics: [topicOf(people, number)], enter: { state: stateOf(number) } }
  return carillon().presence(request, {
    as: { userId: userIdOf(number), clientId: randomUUID() },
  })
}

async function drain(stay: Stay): Promise<void> {
  for await (const _event of stay);
}

/** Waits for nobody before the next one comes. */
async function storm({ people, topics, perSecond, staying, ms }: Storm): Promise<StormOutcome> {
  const numbers = ownNumbers({ topics }, people)
  const visits: Promise<Stay>[] = []
  const leaving: Promise<unknown>[] = []
  const cpuAtStart = ownCpuMicros()
  const start = performance.now()
  for (let elapsed = 0; elapsed < ms; elapsed = performance.now() - start) {
    const due = Math.min(numbers.length, (Math.min(ms, elapsed) * perSecond) / 1_000)
    while (visits.length < due) {
      const number = numbers[visits.length] ?? 0
      visits.push(enter({ topics }, number))
      const oldest = visits[visits.length - 1 - staying]
      if (oldest !== undefined) leaving.push(oldest.then((stay) => stay.return()))
    }
    await sleep(TICK_MS)
  }
  await Promise.all([...visits, ...leaving])
  const took = performance.now() - start
  const cpuMicros = ownCpuMicros() - cpuAtStart
  return { joins: visits.length, leaves: leaving.length, cpuMicros, ms: took }
}
