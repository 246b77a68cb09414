import pg from 'pg'

/** A table that everyone else has to wait for, until this is disposed of. Disposing is idempotent. */
export interface TableLock extends AsyncDisposable {
  /** Resolves once somebody waits. */
  untilAwaited(): Promise<void>
}

export async function lockTable(url: string, table: string): Promise<TableLock> {
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  await holder.query('BEGIN')
  await holder.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)

  async function isAwaited(): Promise<boolean> {
    const { rows } = await holder.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_locks
       WHERE NOT granted AND relation = $1::regclass`,
      [table],
    )
    return (rows[0]?.waiting ?? 0) > 0
  }

  let released: Promise<void> | undefined
  async function release(): Promise<void> {
    await holder.query('ROLLBACK')
    await holder.end()
  }

  return {
    async untilAwaited() {
      while (!(await isAwaited())) await new Promise((resolve) => setTimeout(resolve, 10))
    },
    [Symbol.asyncDispose]() {
      released ??= release()
      return released
    },
  }
}
