import pg from 'pg'
import { expect, test } from 'vitest'
import { startServer } from '../support/carillon.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'

const TOPIC = 'orders:1'

/** The function of the database that publishes, called by a host application in its own transaction. */
const PUBLISH = `SELECT sequence::int FROM carillon.carillon_publish(
  '{0}', $1::text[], '{message}', $2::text[], NULL, '{false}', '{app}', NULL, NULL, NULL, NULL, NULL
)`

describeWithPostgresql('commit order is not sequence order', () => {
  test('a slow transaction between two publishes makes nobody skip anything', async () => {
    await using database = await createDatabase()
    await using server = await startServer({ databaseUrl: database.url })
    const { carillon } = server
    const read = async () =>
      (await carillon.messages({ topic: TOPIC, first: 100 })).messages.map(
        ({ sequence }) => sequence,
      )
    const live = await carillon.subscribe({ topics: [TOPIC] })
    const slow = new pg.Client({ connectionString: database.url })
    await slow.connect()

    await carillon.publish({ topic: TOPIC, payload: 'before' })
    await slow.query('BEGIN')
    const { rows } = await slow.query(PUBLISH, [[TOPIC], ['"slow"']])
    expect(rows).toEqual([{ sequence: 2 }])
    const after = carillon.publish({ topic: TOPIC, payload: 'after' })
    await untilWaiting(slow) // the later number is not given out before the earlier one is committed
    expect(await read()).toEqual([1])
    await slow.query('COMMIT')
    expect((await after).message.sequence).toBe(3)

    expect(await read()).toEqual([1, 2, 3])
    const seen: unknown[] = []
    for await (const { sequence, payload } of live) {
      seen.push([sequence, payload])
      if (seen.length === 3) break
    }
    expect(seen).toEqual([
      [1, 'before'],
      [2, 'slow'],
      [3, 'after'],
    ])
    await slow.end()
  })

  test('a slow transaction that is rolled back gives its number back', async () => {
    await using database = await createDatabase()
    await using server = await startServer({ databaseUrl: database.url })
    const slow = new pg.Client({ connectionString: database.url })
    await slow.connect()
    await slow.query('BEGIN')
    await slow.query(PUBLISH, [[TOPIC], ['"slow"']])
    const after = server.carillon.publish({ topic: TOPIC, payload: 'after' })
    await untilWaiting(slow)
    await slow.query('ROLLBACK')
    expect((await after).message.sequence).toBe(1)
    await slow.end()
  })
})

/** Until another transaction of the database waits for what this one holds. */
async function untilWaiting(holder: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await holder.query(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`,
    )
    if (rows.length > 0) return
  }
}
