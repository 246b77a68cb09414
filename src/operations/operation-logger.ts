import { CarillonError } from '../protocol/errors.ts'
import type { Middleware } from './middleware.ts'

/** Where operations are logged. Pino's loggers fit. */
export interface OperationLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/**
 * Logs each operation once it is done: who did what where, how it ended, and how long it took. No payloads, no
 * credentials, and no deliveries.
 */
export function operationLogger(log: OperationLog): Middleware {
  return async (context, next) => {
    const { operation, viewer, request } = context
    if (operation === 'deliver') return next()
    const began = performance.now()
    const fields = {
      operation,
      userId: viewer.userId,
      clientId: viewer.clientId,
      ...('topic' in request ? { topic: request.topic } : {}),
      ...('topics' in request ? { topics: request.topics } : {}),
    }
    const took = () => ({ ms: Math.round(performance.now() - began) })
    try {
      const answer = await next()
      log.info({ ...fields, ...took() }, operation)
      return answer
    } catch (error) {
      const code = error instanceof CarillonError ? error.code : 'INTERNAL'
      log.warn({ ...fields, ...took(), code }, `${operation} failed`)
      throw error
    }
  }
}
