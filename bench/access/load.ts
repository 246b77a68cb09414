import { answerCommands } from '../fanout/channel.ts'
import { payloadOf } from '../publish/sample.ts'
import { connectPublisher } from '../publish/socket-publisher.ts'
import { measure } from '../support/load.ts'
import { cpuMicrosOf, ownCpuMicros } from '../support/process-usage.ts'
import { callersOf, topicOf } from './callers.ts'
import { Connections } from './connections.ts'
import { Deliveries } from './deliveries.ts'
import { HttpPublisher } from './http-publisher.ts'
import type { Round, Sample } from './round.ts'

interface WithClients extends Round {
  readonly clients: number
}

/** What the load generator does when asked. Each rejects where anything is refused or lost. */
export interface LoadCommands {
  publishOverSockets(round: Round): Promise<Sample>
  publishOverHttp(round: Round): Promise<Sample>
  deliver(round: WithClients): Promise<Sample>
  connect(round: WithClients): Promise<Sample>
}

const SOCKETS = 16
const IN_FLIGHT = 16
const HTTP_CONNECTIONS = 32
/** How often as many connect again while it is measured: CPU of other processes comes in ticks of 10 ms. */
const CONNECT_TIMES = 3

answerCommands<LoadCommands>({
  async publishOverSockets(round) {
    const callers = await callersOf(round, SOCKETS)
    const publishers = await Promise.all(
      callers.map(({ connectionParams }) => connectPublisher(round.origin, connectionParams)),
    )
    try {
      return await publishing(round, publishers, IN_FLIGHT)
    } finally {
      await Promise.all(publishers.map((publisher) => publisher[Symbol.asyncDispose]()))
    }
  },
  async publishOverHttp(round) {
    const callers = await callersOf(round, HTTP_CONNECTIONS)
    const publishers = callers.map(({ headers }) => new HttpPublisher(round.origin, headers))
    try {
      return await publishing(round, publishers, 1)
    } finally {
      for (const publisher of publishers) publisher[Symbol.dispose]()
    }
  },
  async deliver(round) {
    const callers = await callersOf(round, 1 + round.clients)
    await using deliveries = await Deliveries.open(round, callers)
    await deliveries.during(round.warmUpMs)
    return await costing(round, () => deliveries.during(round.measureMs))
  },
  async connect(round) {
    const { origin, clients } = round
    const callers = await callersOf(round, clients * (1 + CONNECT_TIMES))
    using connections = new Connections({ port: Number(new URL(origin).port), path: '/graphql' })
    await connections.connect(callers.slice(0, clients))
    return await costing(round, async () => {
      await connections.connect(callers.slice(clients))
      return clients * CONNECT_TIMES
    })
  },
})

interface Publisher {
  publish(input: object): Promise<void>
}

async function publishing(
  { pid, warmUpMs, measureMs }: Round,
  publishers: readonly Publisher[],
  inFlight: number,
): Promise<Sample> {
  let number = 0
  const load = {
    publishers: publishers.length * inFlight,
    cpuMicros: () => cpuMicrosOf(pid),
    publish: async (index: number) =>
      publishers[index % publishers.length]?.publish({
        topic: topicOf(index),
        payload: payloadOf(number++),
      }),
  }
  const start = performance.now()
  const before = ownCpuMicros()
  const { perSecond, cpuMicrosPerMessage } = await measure(load, { warmUpMs, measureMs })
  const loadBusy = (ownCpuMicros() - before) / (1_000 * (performance.now() - start))
  return { cpuMicros: cpuMicrosPerMessage, perSecond, loadBusy }
}

/** What something costs the server that answers of how many units it was. */
async function costing({ pid }: Round, work: () => Promise<number>): Promise<Sample> {
  const start = performance.now()
  const [before, ownBefore] = [cpuMicrosOf(pid), ownCpuMicros()]
  const units = await work()
  const [after, ownAfter] = [cpuMicrosOf(pid), ownCpuMicros()]
  const ms = performance.now() - start
  return {
    cpuMicros: (after - before) / units,
    perSecond: (1_000 * units) / ms,
    loadBusy: (ownAfter - ownBefore) / (1_000 * ms),
  }
}
