import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Carillon, createCarillon } from 'carillon'
import { expect, onTestFinished, test } from 'vitest'
import { createDatabase, describeWithPostgresql, execute } from '../support/postgresql.ts'
import { SHORT_LIVED_NODE } from '../support/prepared-node.ts'

const CONSUMER = fileURLToPath(new URL('../support/consumer-process.mjs', import.meta.url))
const TOPICS = Array.from({ length: 8 }, (_, n) => `work:${n}`)
const LEASE_MS = 3_000

/** For a busy machine to notice, and to tell. */
const MARGIN_MS = 3_000

type Line = [event: 'ready' | 'begun' | 'handled', name: string, topic: string, sequence: number]

/** What all processes have printed, in the order in which it came. */
class Journal {
  readonly lines: Line[] = []
  readonly #events = new EventEmitter()

  add(line: Line): void {
    this.lines.push(line)
    this.#events.emit('line')
  }

  async until(condition: (line: Line) => boolean): Promise<void> {
    while (!this.lines.some(condition)) await once(this.#events, 'line')
  }

  /** Resolves once every topic has been handled up to a sequence, by one of these or by anyone. */
  async untilHandled(sequence: number, by?: string): Promise<void> {
    for (const topic of TOPICS) await this.untilHandledIn(topic, sequence, by)
  }

  async untilHandledIn(topic: string, sequence: number, by?: string): Promise<void> {
    await this.until(
      ([event, name, inTopic, number]) =>
        event === 'handled' && (by ?? name) === name && inTopic === topic && number >= sequence,
    )
  }

  sequencesOf(topic: string, by?: string): readonly number[] {
    return this.lines
      .filter(([event, name, of]) => event === 'handled' && of === topic && (by ?? name) === name)
      .map(([, , , sequence]) => sequence)
  }
}

interface Consumer extends AsyncDisposable {
  readonly child: ChildProcess
  exited(): Promise<unknown>
}

function startConsumer(url: string, name: string, journal: Journal): Consumer {
  const args = [...SHORT_LIVED_NODE, CONSUMER, url, name, String(LEASE_MS)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL')) // also where the test has run out of time
  const exit = once(child, 'close')
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => journal.add(JSON.parse(line) as Line))
  return {
    child,
    exited: () => exit,
    async [Symbol.asyncDispose]() {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** One message to each topic. */
async function publish(carillon: Carillon, payload: string): Promise<void> {
  await carillon.publishMany(TOPICS.map((topic) => ({ topic, payload })))
}

/** How many topics each process has a lease of, fewest first. */
async function shares(url: string): Promise<readonly unknown[]> {
  const rows = await execute(
    url,
    'SELECT count(*)::int AS topics FROM carillon.consumer_leases GROUP BY holder ORDER BY 1',
  )
  return rows.map(({ topics }) => topics)
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => n + 1)
}

describeWithPostgresql('two processes that run the same consumer', () => {
  test('share the topics, and the one that is left takes over within the lease', async () => {
    await using database = await createDatabase()
    await using carillon = await createCarillon({ databaseUrl: database.url, logLevel: 'silent' })
    const journal = new Journal()
    await publish(carillon, 'one')
    await using first = startConsumer(database.url, 'first', journal)
    await journal.untilHandled(1, 'first')
    await using second = startConsumer(database.url, 'second', journal)
    await journal.until(([event, name]) => event === 'ready' && name === 'second')
    // While there is something to do, or they would give the topics up one day.
    let published = 1
    await expect
      .poll(
        async () => {
          await publish(carillon, 'more')
          published++
          return shares(database.url)
        },
        { timeout: 20_000, interval: 100 },
      )
      .toEqual([4, 4])
    await publish(carillon, 'shared')
    published++
    await journal.untilHandled(published)
    for (const topic of TOPICS) expect(journal.sequencesOf(topic)).toEqual(upTo(published))

    const killedAt = performance.now()
    first.child.kill('SIGKILL')
    await publish(carillon, 'after the kill')
    published++
    await journal.untilHandled(published)
    expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + MARGIN_MS)
    expect(await shares(database.url)).toEqual([8])
    for (const topic of TOPICS) {
      // What was handled and not acknowledged is handled again: nothing else, and in order.
      const again = journal.sequencesOf(topic)
      expect(new Set(again).size).toBe(published)
      const bySecond = journal.sequencesOf(topic, 'second')
      expect(bySecond).toEqual([...bySecond].sort((a, b) => a - b))
    }
    second.child.kill('SIGTERM')
    await second.exited()
    expect(await shares(database.url)).toEqual([])
  }, 90_000)

  test('a frozen one neither acknowledges behind the back of the other, nor handles on', async () => {
    await using database = await createDatabase()
    await using carillon = await createCarillon({ databaseUrl: database.url, logLevel: 'silent' })
    const journal = new Journal()
    const topic = 'work:0'
    await carillon.publish({ topic, payload: 'hold' })
    await carillon.publish({ topic, payload: 'next' })
    await using frozen = startConsumer(database.url, 'frozen', journal)
    await journal.until(([event]) => event === 'begun')
    frozen.child.kill('SIGSTOP')
    await using other = startConsumer(database.url, 'other', journal)
    await journal.until(([event, name]) => event === 'begun' && name === 'other')

    // The handler finishes the moment that the process comes round: nothing can tell it before.
    frozen.child.kill('SIGUSR2')
    frozen.child.kill('SIGCONT')
    await journal.untilHandledIn(topic, 1, 'frozen')
    const acked = () => carillon.ack({ topic, consumer: 'worker', sequence: 0 })
    await frozenRenewals(database.url)
    expect((await acked()).acked).toBe(0)
    other.child.kill('SIGUSR2')
    await journal.untilHandledIn(topic, 2, 'other')
    await expect.poll(async () => (await acked()).acked).toBe(2)
    expect(journal.sequencesOf(topic, 'frozen')).toEqual([1])
    expect(journal.sequencesOf(topic, 'other')).toEqual([1, 2])
  }, 60_000)
})

/** Resolves once both processes have said that they are alive: the one that was frozen has come round. */
async function frozenRenewals(url: string): Promise<void> {
  const count = async () => {
    const [row] = await execute(
      url,
      `SELECT count(*)::int AS alive FROM carillon.consumer_members
       WHERE expires_at > clock_timestamp() + interval '1 second'`,
    )
    return row?.alive
  }
  await expect.poll(count, { timeout: 20_000 }).toBe(2)
}
