import pg from 'pg'

/** How long the statements of one kind took, from call to answer, in milliseconds. */
export type Durations = Readonly<Record<'move' | 'delete', readonly number[]>>

/** Statements of the retention, each a transaction of its own: its locks are held for no longer than it takes. */
const KINDS = [
  ['move', 'UPDATE carillon.topics'],
  ['delete', 'DELETE FROM carillon.messages'],
] as const

/** Looks at what the pool sends from now on; answers how long the statements of the retention took. */
export function watchStatements(): Durations {
  const durations = { move: [] as number[], delete: [] as number[] }
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function watched(this: pg.Client, ...args: unknown[]) {
    const kind = kindOf(args[0])
    const callback = args.at(-1)
    if (kind === undefined || typeof callback !== 'function')
      return Reflect.apply(query, this, args)
    const start = performance.now()
    const note = (...answer: unknown[]) => {
      durations[kind].push(performance.now() - start)
      Reflect.apply(callback, undefined, answer)
    }
    return Reflect.apply(query, this, [...args.slice(0, -1), note])
  } as typeof query
  return durations
}

function kindOf(statement: unknown): 'move' | 'delete' | undefined {
  if (typeof statement !== 'object' || statement === null || !('text' in statement))
    return undefined
  const text = String(statement.text)
  return KINDS.find(([, beginning]) => text.includes(beginning))?.[0]
}
