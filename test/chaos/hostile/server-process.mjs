// A server that says how it fares. Its options are JSON, in the first argument.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import process from 'node:process'
import { createCarillon } from 'carillon'

/** How often its memory is looked at, in milliseconds. */
const SAMPLE_MS = 50

const complaints = []
const keep =
  (level) =>
  ({ error }, message) =>
    complaints.push(`${level}: ${message} ${error?.stack ?? error ?? ''}`)
const logger = { debug() {}, info() {}, warn: keep('warning'), error: keep('error') }
process.on('unhandledRejection', (error) => complaints.push(`unhandled: ${error?.stack ?? error}`))

const options = JSON.parse(process.argv[2] ?? '{}')
const carillon = await createCarillon({ dataDir: 'memory:', ...options, logger })
const { port } = await carillon.listen({ port: 0 })

const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
let peakRss = 0
const sampler = setInterval(() => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss())
}, SAMPLE_MS)

function begin() {
  delay.reset()
  peakRss = process.memoryUsage.rss()
  complaints.length = 0
}

function report() {
  const [loopP99, loopMax] = [delay.percentile(99), delay.max].map((nanos) => nanos / 1e6)
  return { rss: process.memoryUsage.rss(), peakRss, loopP99, loopMax, complaints: [...complaints] }
}

process.on('message', ({ number, kind }) => {
  if (kind === 'begin') begin()
  process.send({ number, answer: report() })
})
process.on('disconnect', async () => {
  clearInterval(sampler)
  setTimeout(() => process.exit(1), 8_000).unref()
  await carillon.close()
  process.exit(0)
})
process.send({ ready: { port } })
