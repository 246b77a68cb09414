import pg from 'pg'

/**
 * Counts what the pool sends from now on, in the process that sends it: PostgreSQL's own counts of a
 * connection come late, and not at all while it is idle.
 */
export function countQueries(): () => number {
  let count = 0
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function counted(this: pg.Client, ...args: unknown[]) {
    count += 1
    return Reflect.apply(query, this, args)
  } as typeof query
  return () => count
}
