import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { startServer } from '../../support/carillon.ts'
import { upTo } from '../../support/client.ts'

test('the package runs in a worker, which ends when its client is closed', async () => {
  await using server = await startServer()
  const file = new URL('../../support/client-worker.mjs', import.meta.url)
  const worker = new Worker(file, { workerData: { url: server.url, count: 100 } })
  const told: unknown[] = []
  const ended = new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', resolve)
    worker.on('message', (message: unknown) => {
      told.push(message)
      if (message !== 'live') return
      const inputs = upTo(100).map((payload) => ({ topic: 'worker:1', payload }))
      void server.carillon.publishMany(inputs)
    })
  })
  expect(await ended).toBe(0)
  expect(told).toEqual(['live', upTo(100)])
})
