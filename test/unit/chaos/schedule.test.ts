import { expect, test } from 'vitest'
import { Random } from '../../chaos/checker/random.ts'
import { FAULTS, type PlannedFault, planFaults } from '../../chaos/checker/schedule.ts'

const PACE = { freezeMs: 3_000, maxPauseMs: 1_000 }
const NETWORK = ['cut clients', 'stall clients', 'half-open clients']

const ALONE = [...NETWORK, 'kill Redis']

function plan(seed: number, overlap = 0): readonly PlannedFault[] {
  const faults = planFaults(new Random(seed), { servers: 3, pace: PACE, overlap })
  return Array.from({ length: 3 * FAULTS.length }, () => faults.next().value)
}

test('the same seed gives the same faults, another seed others', () => {
  expect(plan(7, 0.5)).toEqual(plan(7, 0.5))
  expect(plan(7, 0.5)).not.toEqual(plan(8, 0.5))
})

test('every kind comes once in each round', () => {
  const kinds = plan(7, 0.5).map(({ fault }) => fault)
  for (let at = 0; at < kinds.length; at += FAULTS.length) {
    expect(new Set(kinds.slice(at, at + FAULTS.length))).toEqual(new Set(FAULTS))
  }
})

test('without overlap every fault comes alone', () => {
  expect(plan(7).filter(({ meanwhile }) => meanwhile !== undefined)).toEqual([])
})

test('with overlap a fault of the network begins while a part fails, and no second part fails', () => {
  for (const { fault, lastsMs, meanwhile } of plan(7, 1)) {
    expect(meanwhile === undefined).toBe(ALONE.includes(fault))
    if (meanwhile === undefined) continue
    expect(NETWORK).toContain(meanwhile.fault)
    expect(meanwhile.afterMs).toBeLessThanOrEqual(lastsMs)
  }
})
