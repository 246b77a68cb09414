import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LimitName } from '../../src/access/limits.ts'
import { Arena } from './hostile/arena.ts'
import { SCENARIOS } from './hostile/scenarios/all.ts'
import { answersOf } from './hostile/table.ts'

/** Low, so that a short attack reaches them. */
const LIMITS = {
  unauthenticatedConnections: 100,
  operationsPerSocket: 100,
  subscribesPerSecond: 100,
  messagesPerSecond: 500,
  frameBytes: 1024 * 1024,
  bodyBytes: 1024 * 1024,
} as const satisfies Partial<Record<LimitName, number>>

/** The long form is `npm run hostile`, which also judges latencies. */
const PACE = { calmMs: 500, attackMs: 1_000, size: 0.1, repeats: 20 }

let arena: Arena

beforeAll(async () => {
  arena = await Arena.open({ server: { limits: LIMITS }, subscribers: 200, perSecond: 20 })
}, 120_000)

afterAll(() => arena?.[Symbol.asyncDispose]())

describe('Clients that behave get everything, once and in order, in spite of', () => {
  test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    async (_name, scenario) => {
      const { calm, attacked, answers, limits } = await arena.run(scenario, PACE)
      const { crowd, server } = attacked
      const figures = `p99 ${calm.crowd.p99.toFixed(1)} → ${crowd.p99.toFixed(1)} ms`
      process.stdout.write(`${scenario.name}: ${figures}; ${answersOf(answers)}\n`)
      expect(crowd).toMatchObject({ lost: 0, repeated: 0, disordered: 0, closed: [] })
      // That the database is slow for the moment is no fault.
      expect(server.complaints.filter((text) => !text.startsWith('warning:'))).toEqual([])
      expect(limits).toEqual(expect.arrayContaining([...scenario.limits]))
    },
    60_000,
  )

  test('all of these, one after the other', async () => {
    expect(await arena.finish()).toMatchObject({ lost: 0, repeated: 0, disordered: 0, closed: [] })
  }, 60_000)
})
