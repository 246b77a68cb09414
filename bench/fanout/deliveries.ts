import { databaseOf, type FanoutContext } from './context.ts'
import { type Delivery, type Durations, measureDelivery, type Traffic } from './delivery.ts'
import { maxSockets } from './open-files.ts'
import type { PeerName } from './peers/peer.ts'
import { inRounds, medians } from './rounds.ts'
import { Scene } from './scene.ts'

export interface DeliveryPlan extends Durations {
  readonly clients: readonly number[]
  readonly traffic: readonly Traffic[]
}

/** One and ten messages a tick, small and large. */
const TRAFFIC: readonly Traffic[] = [300, 4_096].flatMap((frameBytes) =>
  [1, 10].map((perTick) => ({ frameBytes, perTick })),
)

const BUDGET_MS = 510_000

export function deliveryPlan(quick: boolean): DeliveryPlan {
  if (quick) return { clients: [200], traffic: TRAFFIC, warmUpMs: 50, measureMs: 150 }
  return { clients: [1_000, 5_000], traffic: TRAFFIC, warmUpMs: 400, measureMs: 1_200 }
}

/** What a delivery costs each of the peers. */
export async function measureDeliveries(
  context: FanoutContext,
  peers: readonly PeerName[],
): Promise<readonly Delivery[]> {
  const plan = deliveryPlan(context.options.quick)
  const rounds = { runs: context.options.runs, budgetMs: BUDGET_MS }
  const measured = await inRounds(rounds, async () => {
    const deliveries: Delivery[] = []
    for (const clients of plan.clients.filter((count) => count <= maxSockets())) {
      for (const peer of peers) {
        deliveries.push(...(await measurePeer(context, { peer, clients, plan })))
      }
    }
    return deliveries
  })
  return medians(measured, ({ peer, clients, frameBytes, perTick }) =>
    [peer, clients, frameBytes, perTick].join(),
  )
}

interface PeerPlan {
  readonly peer: PeerName
  readonly clients: number
  readonly plan: DeliveryPlan
}

/** All traffic over the same connections. */
async function measurePeer(
  context: FanoutContext,
  { peer, clients, plan }: PeerPlan,
): Promise<readonly Delivery[]> {
  await using scene = await Scene.open({ peer, ...databaseOf(context) })
  await scene.subscribe({ clients })
  const deliveries: Delivery[] = []
  for (const traffic of plan.traffic) {
    const subject = { peer, clients, sets: 1 }
    const delivery = await measureDelivery(scene, subject, { ...plan, traffic })
    deliveries.push(delivery)
    context.log(
      `${peer}, ${clients} subscribers, ${traffic.frameBytes} bytes, ${traffic.perTick} a tick: ` +
        `${delivery.gross.toFixed(1)} µs`,
    )
  }
  return deliveries
}
