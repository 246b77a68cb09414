import { type Carillon, createCarillon } from 'carillon'
import { openBaseline } from './publish/baseline.ts'
import { connectSockets, graphqlCase } from './publish/graphql.ts'
import { libraryCase } from './publish/library.ts'
import { measureAll, printResults, type Result } from './publish/results.ts'
import { printTargets } from './publish/targets.ts'
import { createDatabase, type ThrowawayDatabase } from './support/database.ts'
import { readOptions } from './support/options.ts'
import { startServer } from './support/server-process.ts'

const ALONE = 1
const CROWD = 256

const options = readOptions()
await using database = await createDatabase()
await using carillon = await createCarillon({ databaseUrl: database.url })

const baseline = await measureBaseline(database)
const library = await measureLibrary(database, carillon)
const graphql = await measureGraphql(database)
printResults([...baseline, ...library, ...graphql])
report([...baseline, ...library])

async function measureBaseline({ url, rows }: ThrowawayDatabase): Promise<readonly Result[]> {
  await using prisma = openBaseline(url)
  const cases = [ALONE, CROWD].flatMap((publishers) => [
    prisma.transaction(publishers),
    prisma.statement(publishers),
  ])
  const reset = async () => {
    await empty(rows)
    await prisma.prepare()
  }
  return await measureAll(cases, reset, options)
}

function measureLibrary(
  { rows }: ThrowawayDatabase,
  carillon: Carillon,
): Promise<readonly Result[]> {
  const cases = [ALONE, CROWD].flatMap((publishers) =>
    [false, true].map((keys) => libraryCase(carillon, { publishers, keys })),
  )
  return measureAll(cases, () => empty(rows), options)
}

async function measureGraphql({ url, rows }: ThrowawayDatabase): Promise<readonly Result[]> {
  await using server = await startServer({ environment: { DATABASE_URL: url } })
  await using sockets = await connectSockets(server)
  const cases = [false, true].map((keys) => graphqlCase(server, sockets, { keys }))
  return await measureAll(cases, () => empty(rows), options)
}

/** So that no case pays for the messages, or for the unwritten pages, of the one before. */
async function empty(rows: ThrowawayDatabase['rows']): Promise<void> {
  await rows('TRUNCATE carillon.messages, carillon.topics')
  await rows('CHECKPOINT')
}

function report(results: readonly Result[]): void {
  const rate = (publishers: number, name: string) =>
    results.find((result) => result.publishers === publishers && result.name === name)?.perSecond ??
    Number.NaN
  const transaction = 'Prisma, interactive transaction'
  const statement = 'Prisma, one raw SQL statement'
  const own = 'carillon.publish'
  printTargets([
    {
      name: `${CROWD} publishers, times the transaction`,
      measured: rate(CROWD, own) / rate(CROWD, transaction),
      atLeast: 12,
    },
    {
      name: `${CROWD} publishers, times the raw statement`,
      measured: rate(CROWD, own) / rate(CROWD, statement),
    },
    { name: `${CROWD} publishers, messages/s`, measured: rate(CROWD, own), atLeast: 15_000 },
    {
      name: '1 publisher, times the transaction',
      measured: rate(ALONE, own) / rate(ALONE, transaction),
      atLeast: 1,
    },
    {
      name: '1 publisher, times the raw statement',
      measured: rate(ALONE, own) / rate(ALONE, statement),
    },
  ])
}
