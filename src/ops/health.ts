/** What readiness checks ask. */
export interface Health {
  /**
   * `ok`: can serve. `degraded`: can serve, but messages of other instances come late. `unavailable`:
   * should get no traffic for the moment.
   */
  readonly status: 'ok' | 'degraded' | 'unavailable'
  readonly database: 'up' | 'down'
  /** Whether messages of other instances come at once. */
  readonly bus: 'up' | 'down'
  readonly shuttingDown: boolean
}

export interface HealthParts {
  readonly ping: () => Promise<void>
  readonly isBusConnected: () => boolean
  readonly isShuttingDown: () => boolean
}

/** A database that has not answered by then, in milliseconds, counts as down. */
const PING_TIMEOUT_MS = 2_000

export async function checkHealth(parts: HealthParts): Promise<Health> {
  const database = (await answers(parts.ping)) ? 'up' : 'down'
  const bus = parts.isBusConnected() ? 'up' : 'down'
  const shuttingDown = parts.isShuttingDown()
  const serves = database === 'up' && !shuttingDown
  const status = serves ? (bus === 'up' ? 'ok' : 'degraded') : 'unavailable'
  return { status, database, bus, shuttingDown }
}

async function answers(ping: () => Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PING_TIMEOUT_MS)
  })
  const answered = ping().then(
    () => true,
    () => false,
  )
  try {
    return await Promise.race([answered, tooLate])
  } finally {
    clearTimeout(timer)
  }
}
