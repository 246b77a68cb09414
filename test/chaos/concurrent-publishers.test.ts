import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createDatabase, describeWithPostgresql, execute } from '../support/postgresql.ts'
import { SHORT_LIVED_NODE } from '../support/prepared-node.ts'

const PUBLISHER = fileURLToPath(new URL('../support/publisher-process.mjs', import.meta.url))
const TOPICS = ['a', 'b', 'c', 'd']
const PROCESSES = 8
const PUBLISHES = 500

type Acknowledged = [topic: string, sequence: number, payload: string]

interface Publisher {
  readonly child: ChildProcess
  readonly acknowledged: Acknowledged[]
  readonly done: Promise<unknown>
}

function startPublisher(url: string, name: string, onLine: () => void = () => {}): Publisher {
  const args = [...SHORT_LIVED_NODE, PUBLISHER, url, name, String(PUBLISHES), ...TOPICS]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: Acknowledged[] = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    if (line !== 'ready') acknowledged.push(JSON.parse(line) as Acknowledged)
    onLine()
  })
  return { child, acknowledged, done: Promise.all([once(child, 'close'), once(lines, 'close')]) }
}

interface Stored {
  readonly name: string
  readonly sequence: number
  readonly payload: string
}

async function readStored(url: string): Promise<readonly Stored[]> {
  const rows = await execute(
    url,
    `SELECT t.name, m.sequence::int AS sequence, m.payload, t.head::int AS head
     FROM carillon.messages m JOIN carillon.topics t ON t.id = m.topic_id
     ORDER BY m.published_at, m.sequence`,
  )
  return rows as unknown as Stored[]
}

/** Every topic is 1…N in the order of history, and everything acknowledged is in it. */
function expectWhole(stored: readonly Stored[], acknowledged: readonly Acknowledged[]): void {
  for (const topic of TOPICS) {
    const sequences = stored.filter(({ name }) => name === topic).map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.map((_, index) => index + 1))
  }
  const byPlace = new Map(stored.map((row) => [`${row.name} ${row.sequence}`, row.payload]))
  for (const [topic, sequence, payload] of acknowledged) {
    expect(byPlace.get(`${topic} ${sequence}`)).toBe(payload)
  }
  expect(new Set(stored.map(({ payload }) => payload)).size).toBe(stored.length)
}

describeWithPostgresql('eight processes that publish to four topics', () => {
  test('number them 1…N without hole or repeat, in the order of history', async () => {
    await using database = await createDatabase()
    const publishers = Array.from({ length: PROCESSES }, (_, n) =>
      startPublisher(database.url, `p${n}`),
    )
    await Promise.all(publishers.map(({ done }) => done))
    const acknowledged = publishers.flatMap((publisher) => publisher.acknowledged)
    const stored = await readStored(database.url)
    expect(acknowledged).toHaveLength(PROCESSES * PUBLISHES)
    expect(stored).toHaveLength(PROCESSES * PUBLISHES)
    expectWhole(stored, acknowledged)
  }, 60_000)

  test('lose nothing that was acknowledged when one is killed in the middle', async () => {
    await using database = await createDatabase()
    const survivors = Array.from({ length: PROCESSES - 1 }, (_, n) =>
      startPublisher(database.url, `p${n}`),
    )
    const victim = startPublisher(database.url, 'victim', () => {
      if (victim.acknowledged.length >= PUBLISHES / 5) victim.child.kill('SIGKILL')
    })
    await Promise.all([...survivors, victim].map(({ done }) => done))
    expect(victim.child.signalCode).toBe('SIGKILL')
    expect(victim.acknowledged.length).toBeLessThan(PUBLISHES)
    const acknowledged = [...survivors, victim].flatMap((publisher) => publisher.acknowledged)
    const stored = await readStored(database.url)
    expect(stored.length).toBeGreaterThanOrEqual(acknowledged.length)
    expectWhole(stored, acknowledged)
  }, 60_000)
})
