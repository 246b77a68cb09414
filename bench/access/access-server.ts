import { randomBytes } from 'node:crypto'
import { createDatabase } from '../support/database.ts'
import { startServer } from '../support/server-process.ts'
import type { Subject } from './round.ts'

export const MODES = ['open', 'required'] as const
export type Mode = (typeof MODES)[number]

/** A server over a database of its own, both gone afterwards. */
export interface AccessServer extends AsyncDisposable {
  readonly mode: Mode
  readonly subject: Subject
}

const SECRET = randomBytes(32).toString('hex')

/** Nothing is refused, and everything is counted. */
const LIMITS = {
  CARILLON_LIMIT_PUBLISHES_PER_SECOND_PER_USER: '1000000000',
  CARILLON_LIMIT_PUBLISHES_PER_SECOND_PER_TOPIC: '1000000000',
  CARILLON_LIMIT_CONNECTIONS_PER_USER: '100',
}

export async function openServer(mode: Mode): Promise<AccessServer> {
  const secret = mode === 'required' ? SECRET : undefined
  const database = await createDatabase()
  try {
    const access = secret === undefined ? {} : { CARILLON_JWT_SECRET: secret }
    const environment = { DATABASE_URL: database.url, ...LIMITS, ...access }
    const server = await startServer({ environment })
    return {
      mode,
      subject: { origin: server.origin, pid: server.pid, secret },
      async [Symbol.asyncDispose]() {
        await server.stop()
        await database[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await database[Symbol.asyncDispose]()
    throw error
  }
}
