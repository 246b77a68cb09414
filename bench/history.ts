import { type Carillon, createCarillon } from 'carillon'
import { type HistoryCase, historyCases, PAGE, REFERENCE } from './history/cases.ts'
import { fill, TOPIC } from './history/fill.ts'
import { captureStatement, explain, scansMessages, waysToMessages } from './history/plan.ts'
import { createDatabase } from './support/database.ts'
import { readOptions } from './support/options.ts'
import { quantile } from './support/quantile.ts'
import { printTable } from './support/table.ts'

const options = readOptions()
const MESSAGES = options.quick ? 100_000 : 1_000_000
const CASE_MS = options.quick ? 100 : 1_500
/** Pages of one case before the next one has its turn, so that noise hits all alike … */
const TURN = 20
/** … and where they are slow, how long a turn may take, in milliseconds. */
const MAX_TURN_MS = 5_000

await using database = await createDatabase()
await using carillon = await createCarillon({ databaseUrl: database.url })
console.error(`Filling a topic with ${MESSAGES.toLocaleString('en-US')} messages …`)
await fill(database, MESSAGES)
const cases = await historyCases(MESSAGES, (sequence) => cursorAt(carillon, sequence))
await report(await measureCases(carillon, cases))

/** Cursors are opaque to clients; reading up to a place page by page would take too long here. */
async function cursorAt(carillon: Carillon, sequence: number): Promise<string> {
  const { messages } = await carillon.messages({ topic: TOPIC, last: 1 })
  const [newest] = messages
  if (newest === undefined) throw new Error('The topic is empty.')
  const [, ...rest] = Buffer.from(newest.cursor, 'base64url').toString('latin1').split(':')
  return Buffer.from([sequence, ...rest].join(':'), 'latin1').toString('base64url')
}

/** What came of a case's pages. */
interface Outcome {
  readonly times: number[]
  failures: number
}

type Outcomes = ReadonlyMap<HistoryCase, Outcome>

/** Turn by turn; the first turns of all cases are the warm-up. */
async function measureCases(carillon: Carillon, cases: readonly HistoryCase[]): Promise<Outcomes> {
  for (const each of cases) await takeTurn(carillon, each, { times: [], failures: 0 })
  const outcomes = new Map(cases.map((each) => [each, { times: [], failures: 0 } as Outcome]))
  const until = performance.now() + CASE_MS * cases.length
  while (performance.now() < until) {
    for (const [each, outcome] of outcomes) await takeTurn(carillon, each, outcome)
  }
  return outcomes
}

async function takeTurn(carillon: Carillon, each: HistoryCase, outcome: Outcome): Promise<void> {
  const until = performance.now() + MAX_TURN_MS
  for (let turn = 0; turn < TURN && performance.now() < until; turn++) {
    const start = performance.now()
    await readPage(carillon, each, turn).catch(() => outcome.failures++)
    outcome.times.push(performance.now() - start)
  }
}

async function readPage(
  carillon: Carillon,
  { requests, userId }: HistoryCase,
  turn: number,
): Promise<void> {
  const request = requests[turn % requests.length]
  if (request === undefined) throw new Error('The case has no request.')
  await carillon.messages(request, userId === undefined ? {} : { as: { userId } })
}

async function planOf(each: HistoryCase): Promise<string> {
  const statement = await captureStatement(() => readPage(carillon, each, 0))
  return explain(database.url, statement)
}

async function report(outcomes: Outcomes): Promise<void> {
  const plans = new Map<HistoryCase, string>()
  for (const each of outcomes.keys()) plans.set(each, await planOf(each))
  const referenceMs = referenceOf(outcomes)
  printTable(
    `history: pages of ${PAGE} out of ${MESSAGES.toLocaleString('en-US')} messages`,
    [...outcomes].map(([each, { times, failures }]) => ({
      filter: each.filter,
      position: each.position,
      'median ms': quantile(times, 0.5),
      'p99 ms': quantile(times, 0.99),
      'times the newest': quantile(times, 0.5) / referenceMs,
      failed: failures,
      'reads by': waysToMessages(plans.get(each) ?? '').join(', '),
    })),
  )
  printPlan(plans)
}

function referenceOf(outcomes: Outcomes): number {
  const [, reference] =
    [...outcomes].find(
      ([{ filter, position }]) => filter === REFERENCE.filter && position === REFERENCE.position,
    ) ?? []
  return quantile(reference?.times ?? [], 0.5)
}

function printPlan(plans: ReadonlyMap<HistoryCase, string>): void {
  const [, plan] =
    [...plans].find(
      ([{ filter, position }]) => filter === 'rare from' && position === 'middle, backward',
    ) ?? []
  console.log(`The plan of "rare from, middle, backward":\n\n${plan}\n`)
  const scans = [...plans.values()].filter(scansMessages).length
  console.log(`${scans} of ${plans.size} plans have a Seq Scan on messages.\n`)
  if (scans > 0) process.exitCode = 1
}
