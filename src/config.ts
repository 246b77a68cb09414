import { z } from 'zod'
import type { CarillonOptions } from './carillon.ts'
import { parseRetention, type RetentionRule } from './log/retention-rules.ts'
import { LOG_LEVELS } from './ops/logger.ts'
import { parseRedisUrl, REDIS_URL_FORM } from './redis/redis-address.ts'

/** A variable that does not say what it should; the message names it and what it expects. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** What the environment says. */
export interface Config extends CarillonOptions {
  readonly host: string
  readonly port: number
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

const GRACE = 'a whole number of milliseconds from 0 to 600000'
const LEASE = 'a whole number of milliseconds from 1000 to 600000'

const Environment = z.object({
  PORT: z.coerce
    .number('a port number from 0 to 65535')
    .int('a port number from 0 to 65535')
    .min(0, 'a port number from 0 to 65535')
    .max(65_535, 'a port number from 0 to 65535')
    .default(4000),
  HOST: z.string().min(1, 'an address or host name to listen on').default('127.0.0.1'),
  DATABASE_URL: z
    .string()
    .refine(isPostgresqlUrl, 'a URL such as postgresql://user:password@host:5432/database')
    .optional(),
  REDIS_URL: z
    .string()
    .refine((url) => parseRedisUrl(url) !== undefined, REDIS_URL_FORM)
    .optional(),
  CARILLON_DATA_DIR: z.string().min(1, 'a directory, or memory:').default('./.carillon'),
  CARILLON_AUTH: z.enum(['open'], 'open, the only mode there is so far').optional(),
  CARILLON_RETENTION: z.string().transform(readRules).optional(),
  CARILLON_PRESENCE_GRACE_MS: z.coerce
    .number(GRACE)
    .int(GRACE)
    .min(0, GRACE)
    .max(600_000, GRACE)
    .default(5_000),
  CARILLON_PRESENCE_LEASE_MS: z.coerce
    .number(LEASE)
    .int(LEASE)
    .min(1_000, LEASE)
    .max(600_000, LEASE)
    .default(30_000),
  CARILLON_LOG_LEVEL: z.enum(LOG_LEVELS, `one of ${LOG_LEVELS.join(', ')}`).default('warn'),
})

/**
 * Reads the configuration. An empty variable counts as unset.
 * @throws ConfigError
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = Environment.safeParse(given)
  if (!parsed.success) throw describe(parsed.error, given)
  const {
    PORT,
    HOST,
    DATABASE_URL,
    REDIS_URL,
    CARILLON_DATA_DIR,
    CARILLON_AUTH,
    CARILLON_RETENTION,
    CARILLON_PRESENCE_GRACE_MS,
    CARILLON_PRESENCE_LEASE_MS,
    CARILLON_LOG_LEVEL,
  } = parsed.data
  if (CARILLON_AUTH === undefined && !LOOPBACK.has(HOST)) throw openToTheWorld(HOST)
  return {
    host: HOST,
    port: PORT,
    logLevel: CARILLON_LOG_LEVEL,
    presence: { graceMs: CARILLON_PRESENCE_GRACE_MS, leaseMs: CARILLON_PRESENCE_LEASE_MS },
    ...(REDIS_URL === undefined ? {} : { redisUrl: REDIS_URL }),
    ...(CARILLON_RETENTION === undefined ? {} : { retention: CARILLON_RETENTION }),
    ...(DATABASE_URL === undefined
      ? { dataDir: CARILLON_DATA_DIR }
      : { databaseUrl: DATABASE_URL }),
  }
}

function isPostgresqlUrl(value: string): boolean {
  return URL.canParse(value) && /^postgres(ql)?:$/.test(new URL(value).protocol)
}

/** The text of a JSON list of rules. */
function readRules(text: string, context: z.RefinementCtx): readonly RetentionRule[] {
  try {
    const rules: unknown = JSON.parse(text)
    parseRetention(rules)
    return rules as readonly RetentionRule[] // what parseRetention lets through is nothing else
  } catch (error) {
    context.addIssue(
      `a JSON list of retention rules (${(error as Error).message.replace(/\.$/, '')})`,
    )
    return z.NEVER
  }
}

/** URLs may hold passwords: they are not repeated. */
function describe(error: z.ZodError, given: Record<string, string | undefined>): ConfigError {
  const [issue] = error.issues
  const name = String(issue?.path[0])
  const value = given[name] ?? ''
  const shown = name.endsWith('_URL') ? '' : `, not ${JSON.stringify(value)}`
  return new ConfigError(`${name} has to be ${issue?.message}${shown}.`)
}

function openToTheWorld(host: string): ConfigError {
  return new ConfigError(
    `HOST=${host} would let everyone who can reach this machine publish and read. ` +
      'Set CARILLON_AUTH=open if you mean it, or leave HOST at 127.0.0.1.',
  )
}
