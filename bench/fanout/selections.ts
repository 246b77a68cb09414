import { databaseOf, type FanoutContext } from './context.ts'
import { type Delivery, measureDelivery, type Traffic } from './delivery.ts'
import { inRounds, medians } from './rounds.ts'
import { Scene } from './scene.ts'

const SETS = [1, 10, 100] as const
const TRAFFIC: readonly Traffic[] = [1, 10].map((perTick) => ({ frameBytes: 300, perTick }))
const BUDGET_MS = 75_000

/** What a delivery costs Carillon where the clients ask for 1, 10 or 100 different sets of fields. */
export async function measureSelections(context: FanoutContext): Promise<readonly Delivery[]> {
  const { runs } = context.options
  const measured = await inRounds({ runs, budgetMs: BUDGET_MS }, async () => {
    const deliveries: Delivery[] = []
    for (const sets of SETS) deliveries.push(...(await measureSets(context, sets)))
    return deliveries
  })
  return medians(measured, ({ sets, perTick }) => [sets, perTick].join())
}

async function measureSets(context: FanoutContext, sets: number): Promise<readonly Delivery[]> {
  const { quick } = context.options
  const clients = quick ? 200 : 1_000
  const durations = quick ? { warmUpMs: 50, measureMs: 150 } : { warmUpMs: 1_000, measureMs: 1_500 }
  await using scene = await Scene.open({ peer: 'carillon', ...databaseOf(context) })
  await scene.subscribe({ clients, sets })
  const deliveries: Delivery[] = []
  for (const traffic of TRAFFIC) {
    const subject = { peer: 'carillon', clients, sets } as const
    const delivery = await measureDelivery(scene, subject, { ...durations, traffic })
    deliveries.push(delivery)
    context.log(`${sets} sets, ${traffic.perTick} a tick: ${delivery.gross.toFixed(1)} µs`)
  }
  return deliveries
}
