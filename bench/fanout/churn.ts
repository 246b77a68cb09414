import { databaseOf, type FanoutContext } from './context.ts'
import type { PeerName } from './peers/peer.ts'
import { inRounds, medians } from './rounds.ts'
import { Scene } from './scene.ts'

export interface ChurnCost {
  readonly peer: PeerName
  readonly clients: number
  /** Subscriptions started and stopped, by all clients. */
  readonly perSecond: number
  /** CPU time of the server for each. */
  readonly micros: number
  readonly loadBusy: number
}

const PEERS: readonly PeerName[] = ['graphql-ws', 'carillon']
const OPERATIONS = 10
const TOPICS = 100
const BUDGET_MS = 50_000

export async function measureChurn(context: FanoutContext): Promise<readonly ChurnCost[]> {
  const { runs } = context.options
  const measured = await inRounds({ runs, budgetMs: BUDGET_MS }, async () => {
    const costs: ChurnCost[] = []
    for (const peer of PEERS) costs.push(await measurePeer(context, peer))
    return costs
  })
  return medians(measured, ({ peer }) => peer)
}

async function measurePeer(context: FanoutContext, peer: PeerName): Promise<ChurnCost> {
  const clients = context.options.quick ? 100 : 1_000
  await using scene = await Scene.open({ peer, ...databaseOf(context) })
  const { server, load, endpoint } = scene
  const churn = { ...endpoint, clients, operations: OPERATIONS, topics: TOPICS }
  await load.ask('connectChurners', churn)
  await load.ask('churn') // warms up
  const [serverBefore, loadBefore] = await Promise.all([server.ask('usage'), load.ask('usage')])
  const { seconds } = await load.ask('churn')
  const [serverAfter, loadAfter] = await Promise.all([server.ask('usage'), load.ask('usage')])
  const operations = clients * OPERATIONS
  const cost = {
    peer,
    clients,
    perSecond: operations / seconds,
    micros: (serverAfter.cpuMicros - serverBefore.cpuMicros) / operations,
    loadBusy: (loadAfter.cpuMicros - loadBefore.cpuMicros) / 1_000_000 / seconds,
  }
  context.log(`${peer}: ${Math.round(cost.perSecond)} subscriptions/s started and stopped`)
  return cost
}
