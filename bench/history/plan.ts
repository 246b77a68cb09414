import { mock } from 'node:test'
import pg from 'pg'

interface Statement {
  readonly text: string
  readonly values: unknown[]
}

/** The last statement that the driver sends while `run` is under way, with its values. */
export async function captureStatement(run: () => Promise<unknown>): Promise<Statement> {
  const { mock: spy } = mock.method(pg.Client.prototype, 'query')
  try {
    await run()
    const statement: unknown = spy.calls.at(-1)?.arguments[0]
    if (isStatement(statement)) return statement
    throw new Error('No statement was sent.')
  } finally {
    spy.restore()
  }
}

function isStatement(value: unknown): value is Statement {
  return typeof value === 'object' && value !== null && 'text' in value && 'values' in value
}

/** What PostgreSQL does for a statement with these values, as text. */
export async function explain(url: string, { text, values }: Statement): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE, BUFFERS) ${text}`,
      values,
    )
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  } finally {
    await client.end()
  }
}

/** How a plan reads the table of messages: the names of indexes, or `Seq Scan`. */
export function waysToMessages(plan: string): readonly string[] {
  const indexes = plan.matchAll(
    /(?:Index (?:Only )?Scan (?:Backward )?using|Bitmap Index Scan on) (messages_\w+)/g,
  )
  const names = [...indexes].map(([, name]) => name ?? '')
  return [...new Set(scansMessages(plan) ? [...names, 'Seq Scan'] : names)]
}

export function scansMessages(plan: string): boolean {
  return plan.includes('Seq Scan on messages')
}
