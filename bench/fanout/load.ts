import { answerCommands } from './channel.ts'
import { type Churn, connectChurners } from './churners.ts'
import type { LatencySummary } from './latencies.ts'
import { type Connecting, type Received, Subscribers } from './subscribers.ts'
import { ownUsage, type Usage } from './usage.ts'

/** Subscribers that are counted apart, by a name. */
interface InGroup {
  readonly group: string
}

/** What the program of the load generator does when asked. */
export interface LoadCommands {
  connect(subscribers: Connecting & InGroup): Promise<void>
  /** Resolves once the group's clients have got that many frames since `restart`. */
  untilFrames(expected: InGroup & { readonly frames: number }): Promise<void>
  /** Counts from 0 again, in all groups. */
  restart(options: { readonly latency: boolean }): void
  /** Makes the group's first clients stop reading. */
  pause(paused: InGroup & { readonly clients: number }): void
  received(group: InGroup): Received
  latencies(group: InGroup): LatencySummary
  connectChurners(churn: Churn): Promise<void>
  churn(): Promise<{ readonly seconds: number }>
  usage(): Usage
}

const groups = new Map<string, Subscribers>()
let churners: Awaited<ReturnType<typeof connectChurners>> | undefined

answerCommands<LoadCommands>({
  async connect({ group, ...connecting }) {
    const subscribers = new Subscribers()
    groups.set(group, subscribers)
    await subscribers.connect(connecting)
  },
  untilFrames: ({ group, frames }) => inGroup(group).untilFrames(frames),
  restart: (options) => {
    for (const subscribers of groups.values()) subscribers.restart(options)
  },
  pause: ({ group, clients }) => inGroup(group).pause(clients),
  received: ({ group }) => inGroup(group).received(),
  latencies: ({ group }) => inGroup(group).latencies(),
  async connectChurners(churn) {
    churners = await connectChurners(churn)
  },
  churn() {
    if (churners === undefined) throw new Error('Nobody has connected.')
    return churners.run()
  },
  usage: ownUsage,
})

function inGroup(name: string): Subscribers {
  const subscribers = groups.get(name)
  if (subscribers === undefined) throw new Error(`There is no group ${name}.`)
  return subscribers
}
