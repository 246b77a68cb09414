import type { Carillon, Logger, TopicEvent } from 'carillon'
import { expect, test } from 'vitest'
import { request, startServer } from '../support/carillon.ts'
import { takeInShort } from '../support/events.ts'
import {
  createDatabase,
  describeWithPostgresql,
  execute,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'
import { rejection } from '../support/rejection.ts'

const topic = 'trap:3'

/** Every place that anyone has seen, with what was there. */
class Witness {
  readonly #payloads = new Map<string, unknown>()

  /** @throws where another payload was seen at this place */
  see(event: TopicEvent): void {
    if (event.kind !== 'message' || event.message.ephemeral) return
    const { epoch, sequence, payload } = event.message
    const place = `${epoch} ${sequence}`
    if (this.#payloads.has(place)) expect(payload).toEqual(this.#payloads.get(place))
    this.#payloads.set(place, payload)
  }

  /** Takes events up to the message with this payload. */
  async watch(events: AsyncIterable<TopicEvent>, last: unknown): Promise<void> {
    for await (const event of events) {
      this.see(event)
      if (event.kind === 'message' && event.message.payload === last) return
    }
  }
}

async function publish(carillon: Carillon, ...payloads: unknown[]): Promise<string[]> {
  const published = await carillon.publishMany(payloads.map((payload) => ({ topic, payload })))
  return published.map(({ message }) => message.cursor ?? '')
}

/** No way in takes a cursor of the old numbering for one of the new. */
async function expectRefused(carillon: Carillon, cursor: string, url?: string): Promise<void> {
  const calls = [
    carillon.messages({ topic, after: cursor }),
    carillon.messages({ topic, before: cursor }),
    carillon.subscribe({ topics: [topic], after: [cursor] }),
    carillon.subscribe({ topics: ['trap:*'], after: [cursor] }),
    carillon.ack({ topic, consumer: 'mailer', cursor }),
  ]
  for (const refusal of await Promise.all(calls.map(rejection))) {
    expect(refusal).toMatchObject({ code: 'CURSOR_EXPIRED' })
  }
  if (url === undefined) return
  const id = `m.${cursor}` // the id of a message is its place
  expect(await request(url, `{ node(id: "${id}") { id } }`)).toEqual({ data: { node: null } })
}

/** A logger that remembers what operators are told. */
function listen(): { readonly logger: Logger; readonly errors: unknown[] } {
  const errors: unknown[] = []
  const error = (fields: object) => errors.push(Reflect.get(fields, 'error'))
  return { logger: { debug() {}, info() {}, warn() {}, error }, errors }
}

const UNANNOUNCED = { checkIntervalMs: 50 }

test('numbering restarts: purge', async () => {
  await using server = await startServer()
  const { carillon, url } = server
  const witness = new Witness()
  const cursors: string[] = []
  for (let round = 1; round <= 3; round++) {
    const events = await carillon.events({ topics: [topic] })
    cursors.push(...(await publish(carillon, `${round} a`, `${round} b`, `${round} c`)))
    await witness.watch(events, `${round} c`)
    await carillon.purgeTopic(topic)
    for (const cursor of cursors) await expectRefused(carillon, cursor, url)
    // The new numbering passes the places of the old one: those are not taken for them either.
    const later = await publish(carillon, `${round} d`, `${round} e`, `${round} f`, `${round} g`)
    for (const cursor of cursors) await expectRefused(carillon, cursor, url)
    cursors.push(...later)
    await witness.watch(await carillon.events({ topics: [topic], last: 4 }), `${round} g`)
    await carillon.purgeTopic(topic)
  }
})

describeWithPostgresql('numbering restarts: restore', () => {
  /** A copy of a database that nobody uses. */
  async function copy(from: ThrowawayDatabase): Promise<ThrowawayDatabase> {
    const target = await createDatabase()
    const [source, name] = [from, target].map(({ url }) => new URL(url).pathname.slice(1))
    const admin = new URL(from.url)
    admin.pathname = '/postgres'
    await execute(admin.href, `DROP DATABASE ${name}`)
    await execute(admin.href, `CREATE DATABASE ${name} TEMPLATE ${source}`)
    return target
  }

  test('an old dump, with new epochs as operators are told to begin', async () => {
    const witness = new Witness()
    await using database = await createDatabase()
    {
      await using before = await startServer({ databaseUrl: database.url })
      await publish(before.carillon, 1, 2, 3)
    }
    await using dump = await copy(database)
    let lost: string[]
    {
      await using before = await startServer({ databaseUrl: database.url })
      lost = await publish(before.carillon, 'lost 4', 'lost 5')
      await witness.watch(await before.carillon.events({ topics: [topic], last: 9 }), 'lost 5')
    }
    await execute(dump.url, 'SELECT carillon.carillon_new_epochs()')
    await using after = await startServer({ databaseUrl: dump.url })
    for (const cursor of lost) await expectRefused(after.carillon, cursor, after.url)
    await publish(after.carillon, 'other 4', 'other 5', 'other 6')
    for (const cursor of lost) await expectRefused(after.carillon, cursor, after.url)
    await witness.watch(await after.carillon.events({ topics: [topic], last: 9 }), 'other 6')
    const events = await after.carillon.events({ topics: [topic], after: lost.slice(0, 1) })
    expect(await takeInShort(events, 3)).toEqual([
      'gap EPOCH_CHANGED 5-5',
      'replayed 1',
      'replayed 2',
    ])
  })

  test('an older state under running servers: they notice, say so, and begin a new epoch', async () => {
    const witness = new Witness()
    await using database = await createDatabase()
    const { logger, errors } = listen()
    await using server = await startServer({
      databaseUrl: database.url,
      delivery: UNANNOUNCED,
      logger,
    })
    const { carillon, url } = server
    await publish(carillon, 1, 2, 3)
    const events = await carillon.events({ topics: [topic] })
    const ending = await carillon.subscribe({ topics: [topic] })
    const lost = await publish(carillon, 'lost 4', 'lost 5')
    await witness.watch({ [Symbol.asyncIterator]: () => within(events) }, 'lost 5')
    await ending.next()
    await ending.next()
    await execute(
      database.url,
      `WITH gone AS (DELETE FROM carillon.messages WHERE sequence > 3)
       UPDATE carillon.topics SET head = 3`,
    )
    expect(await rejection(ending.next())).toMatchObject({ code: 'CURSOR_EXPIRED' })
    expect(errors).toEqual([
      expect.objectContaining({
        message: expect.stringMatching(/^The topic trap:3 stood at 5 and stands at 3 now/),
      }),
    ])
    for (const cursor of lost) await expectRefused(carillon, cursor, url)
    await publish(carillon, 'other 4', 'other 5')
    await witness.watch({ [Symbol.asyncIterator]: () => within(events) }, 'other 5')
    for (const cursor of lost) await expectRefused(carillon, cursor, url)
  })

  test('a state in which the topic never was', async () => {
    await using database = await createDatabase()
    await using server = await startServer({ databaseUrl: database.url, delivery: UNANNOUNCED })
    const { carillon, url } = server
    const lost = await publish(carillon, 'lost 1', 'lost 2')
    const events = await carillon.events({ topics: [topic] })
    expect(await takeInShort(events, 1)).toEqual(['caught up'])
    await execute(
      database.url,
      'WITH gone AS (DELETE FROM carillon.messages) DELETE FROM carillon.topics',
    )
    expect(await takeInShort(events, 1)).toEqual(['gap EPOCH_CHANGED 3-3'])
    await publish(carillon, 'other 1', 'other 2', 'other 3')
    expect(await takeInShort(events, 3)).toEqual(['live 1', 'live 2', 'live 3'])
    for (const cursor of lost) await expectRefused(carillon, cursor, url)
  })
})

/** The same iterator, which leaving the loop does not close. */
function within(events: AsyncIterator<TopicEvent>): AsyncIterator<TopicEvent> {
  return { next: () => events.next() }
}
