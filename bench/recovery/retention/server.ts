import { setTimeout as sleep } from 'node:timers/promises'
import { type Carillon, createCarillon } from 'carillon'
import { answerCommands } from '../../fanout/channel.ts'
import { type Durations, watchStatements } from './statements.ts'

export interface ServerSettings {
  readonly databaseUrl: string
  /** Seconds; without it there is no rule. */
  readonly maxAge?: number
}

/** What the program of the server under test does when asked. */
export interface ServerCommands {
  /** Answers the origin. */
  open(settings: ServerSettings): Promise<string>
  /** Starts to remove, and answers at once. */
  begin(): void
  /** Undefined as long as it removes. */
  outcome(): Promise<RemovalOutcome | undefined>
}

export interface RemovalOutcome {
  readonly removed: number
  readonly ms: number
  readonly statements: Durations
}

const statements = watchStatements()
let carillon: Carillon | undefined
let outcome: RemovalOutcome | undefined
let removing: Promise<void> | undefined

answerCommands<ServerCommands>({
  async open({ databaseUrl, maxAge }) {
    const retention = maxAge === undefined ? [] : [{ topics: '*', maxAge }]
    carillon = await createCarillon({ databaseUrl, retention, retentionIntervalMs: 3_600_000 })
    const { url } = await carillon.listen({ port: 0 })
    return new URL(url).origin
  },
  begin() {
    removing = remove()
    removing.catch(() => undefined) // told by `outcome`
  },
  async outcome() {
    if (outcome === undefined) await Promise.race([removing, sleep(100)])
    return outcome
  },
})

async function remove(): Promise<void> {
  const start = performance.now()
  const { removed } = await opened().applyRetention()
  outcome = { removed, ms: performance.now() - start, statements }
}

function opened(): Carillon {
  if (carillon === undefined) throw new Error('The server has not been opened.')
  return carillon
}
