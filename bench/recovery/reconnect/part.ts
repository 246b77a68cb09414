import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome, Part } from '../../support/part.ts'
import type { Progress } from './readers.ts'
import { type Noticed, PER_SECOND, Scene, type Size } from './scene.ts'

const FULL: Size = { returning: 2_000, topics: 20, behind: 1_000, staying: 500 }
const QUICK: Size = { returning: 100, topics: 5, behind: 100, staying: 20 }

interface Measured {
  readonly size: Size
  readonly calm: Noticed
  readonly storm: Noticed
  readonly returned: Progress
}

/** Many come back at once, each far behind, while others go on listening. */
export const reconnect: Part = {
  name: 'reconnect',
  async measure({ quick }) {
    const size = quick ? QUICK : FULL
    const [warmUpMs, calmMs] = quick ? [500, 2_000] : [2_000, 10_000]
    await using scene = await Scene.open(size)
    await sleep(warmUpMs)
    const calm = await scene.during(() => sleep(calmMs))
    let returned: Progress | undefined
    const storm = await scene.during(async () => {
      returned = await scene.comeBack()
    })
    if (returned === undefined) throw new Error('Nobody has tried to come back.')
    await scene.checkLive()
    return { ...outcomeOf({ size, calm, storm, returned }), failures: scene.failures }
  },
}

function outcomeOf({ size, calm, storm, returned }: Measured): Outcome {
  const { returning, behind, topics, staying } = size
  // What publishing and comparing heads takes is in the calm as well.
  const background = (calm.queries / calm.ms) * storm.ms
  const queries = Math.max(0, storm.queries - background) / returning
  return {
    tables: [
      {
        title: `${returning} come back, each ${behind} messages behind on one of ${topics} topics`,
        rows: [
          {
            'came back': returned.there,
            'connected after ms': returned.acknowledgedMs,
            'the last is live after ms': returned.thereMs,
            'messages/s': (returned.there * behind) / (returned.thereMs / 1_000),
            'queries a client': queries,
          },
        ],
      },
      {
        title: `${staying} that stayed get ${PER_SECOND} messages/s`,
        rows: [
          { when: 'before', deliveries: calm.count, 'p50 ms': calm.p50, 'p99 ms': calm.p99 },
          { when: 'meanwhile', deliveries: storm.count, 'p50 ms': storm.p50, 'p99 ms': storm.p99 },
        ],
      },
    ],
    targets: [
      { name: 'queries a client', measured: queries, atMost: 0.5 },
      {
        name: 'p99 of those who stayed: times that before',
        measured: storm.p99 / calm.p99,
        atMost: 2,
      },
    ],
  }
}
