import pg from 'pg'

/** What a statement has locked, until this is disposed of. Disposing is idempotent. */
export interface HeldLock extends AsyncDisposable {
  /** Resolves with the process ids of those who wait, once somebody does. */
  untilAwaited(): Promise<readonly number[]>
}

/** Runs a statement in a transaction of its own, which stays open. */
export async function holdLock(url: string, sql: string): Promise<HeldLock> {
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  await holder.query('BEGIN')
  await holder.query(sql)

  async function waiting(): Promise<readonly number[]> {
    // Not from pg_stat_activity, which shows the same to the end of a transaction.
    const { rows } = await holder.query<{ pid: number }>(
      `SELECT DISTINCT pid FROM pg_locks
       WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`,
    )
    return rows.map(({ pid }) => pid)
  }

  let released: Promise<void> | undefined
  async function release(): Promise<void> {
    await holder.query('ROLLBACK')
    await holder.end()
  }

  return {
    async untilAwaited() {
      for (;;) {
        const pids = await waiting()
        if (pids.length > 0) return pids
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    [Symbol.asyncDispose]() {
      released ??= release()
      return released
    },
  }
}
