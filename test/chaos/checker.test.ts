import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { check } from './checker/check.ts'
import { FAULTS } from './checker/schedule.ts'
import { tableOf } from './checker/table.ts'

const describeWithAll = describe.skipIf(
  inject('redisServer') === null || inject('postgresqlBinaries') === null,
)

describeWithAll('A minute of chaos', () => {
  test('loses nothing, repeats nothing unmarked and keeps the order', {
    timeout: 240_000,
  }, async () => {
    const report = await check({
      seed: 20_261_121,
      seconds: 60,
      build: fileURLToPath(new URL('../../dist', import.meta.url)),
      pace: { freezeMs: 3_000, maxPauseMs: 1_500 },
      pauseMs: 250,
      log: () => {},
    })
    expect(report.violations, tableOf(report)).toEqual([])
    expect(new Set(report.recoveries.map(({ fault }) => fault))).toEqual(new Set(FAULTS))
    expect(report.acknowledged).toBeGreaterThan(500)
    expect(report.repeated.automatic).toBeGreaterThan(0)
  })
})
