import { pino } from 'pino'

/** Where Carillon says what operators should know. Pino's loggers fit, and others easily. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]

/** Lines of JSON on standard error. */
export function createLogger(level: LogLevel): Logger {
  return pino(
    { name: 'carillon', level, serializers: { error: pino.stdSerializers.err } },
    pino.destination({ dest: 2, sync: false }),
  )
}
