import pg from 'pg'
import type { ThrowawayDatabase } from '../../support/database.ts'

/** The longest transactions that were seen, in milliseconds. */
export interface Longest {
  move: number
  delete: number
}

/** The table of activity shows the beginning of a statement: enough to tell the two apart. */
const SAMPLE = `
DO $$
DECLARE
    seen RECORD;
    longest JSONB := '{ "move": 0, "delete": 0 }';
BEGIN
    LOOP
        PERFORM pg_stat_clear_snapshot();
        FOR seen IN
            SELECT CASE WHEN query LIKE '%target AS (%' THEN 'move' ELSE 'delete' END AS kind,
                   extract(epoch FROM clock_timestamp() - xact_start) * 1000 AS ms
            FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'
              AND query LIKE '%pg_try_advisory_xact_lock%'
        LOOP
            IF seen.ms > (longest ->> seen.kind)::float8 THEN
                longest := jsonb_set(longest, ARRAY[seen.kind], to_jsonb(seen.ms));
                RAISE WARNING '%', longest;
            END IF;
        END LOOP;
        PERFORM pg_sleep(0.001);
    END LOOP;
END $$`

/**
 * Looks from inside the database, about every millisecond, how long the transactions of the retention have
 * been going on, with their locks and their commits. The process that sends them may wait for the
 * processor before it sees an answer; its locks are gone by then.
 */
export async function startSampler({ url, rows }: ThrowawayDatabase) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const longest: Longest = { move: 0, delete: 0 }
  client.on('notice', ({ message }) => Object.assign(longest, JSON.parse(message ?? '{}')))
  client.on('error', () => {}) // its backend is ended by `stop`
  const { rows: own } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const ended = client.query(SAMPLE).catch(() => {})
  return {
    async stop(): Promise<Longest> {
      await rows('SELECT pg_terminate_backend($1)', [own[0]?.pid])
      await ended
      return longest
    },
  }
}
