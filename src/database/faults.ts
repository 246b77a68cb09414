import { Prisma } from '../generated/prisma/client.ts'
import { CarillonError } from '../protocol/errors.ts'

/**
 * What SQLSTATEs begin with that mean that the database is away for the moment: connections, resources,
 * operators, the system around it, lost races. Any other means that a statement is wrong.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const AWAY = ['08', '25006', '40', '53', '55P03', '57', '58']

/**
 * Runs queries and tells the database's faults (away, restarting, out of connections, timed out) as
 * SERVICE_UNAVAILABLE, and mistakes of ours as INTERNAL.
 */
export async function withFaults<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CarillonError) throw error
    throw isMistake(error)
      ? new CarillonError('INTERNAL', undefined, { cause: error })
      : unavailable(error)
  }
}

export function unavailable(cause: unknown): CarillonError {
  return new CarillonError('SERVICE_UNAVAILABLE', 'The database is unavailable for the moment.', {
    cause,
  })
}

function isMistake(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true
  if (error instanceof Prisma.PrismaClientValidationError) return true
  const state = sqlState(error)
  return state !== undefined && !AWAY.some((beginning) => state.startsWith(beginning))
}

/** The SQLSTATE that the database answered with, wherever Prisma put it. */
function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return undefined
  const { meta } = error
  if (typeof meta?.code === 'string') return meta.code
  const cause = property(property(meta?.driverAdapterError, 'cause'), 'originalCode')
  return typeof cause === 'string' ? cause : undefined
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
