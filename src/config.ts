import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import { Arrivals, type TrustProxy } from './access/arrivals.ts'
import { type AuthOptions, isOpenMode } from './access/auth-options.ts'
import { type CapabilityGrant, parseCapabilities } from './access/capabilities.ts'
import { LIMIT_NAMES, type Limits, limitVariable } from './access/limits.ts'
import { Origins } from './access/origins.ts'
import { inProduction } from './access/production.ts'
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
  readonly graphiql: boolean
  readonly introspection: boolean
  readonly tls?: TlsFiles
}

/** What is in the files of a certificate and its key. */
interface TlsFiles {
  readonly key: Buffer
  readonly cert: Buffer
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

const SWITCH = z.enum(['on', 'off'], 'on or off').optional()

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
  CARILLON_AUTH: z.enum(['open', 'required'], 'open or required').optional(),
  CARILLON_JWT_SECRET: z
    .string()
    .refine((secret) => Buffer.byteLength(secret) >= 32, 'a secret of 32 bytes or more')
    .optional(),
  CARILLON_JWKS_URL: z
    .string()
    .refine(isHttpUrl, 'a URL such as https://issuer.example.com/.well-known/jwks.json')
    .optional(),
  CARILLON_JWT_ISSUER: z.string().optional(),
  CARILLON_JWT_AUDIENCE: z.string().optional(),
  CARILLON_CAPABILITIES: z.string().transform(readCapabilities).optional(),
  CARILLON_OPERATIONS: z.string().optional(),
  CARILLON_CLIENT_PUBLISH: z.enum(['on', 'off'], 'on or off').default('on'),
  CARILLON_ORIGINS: z.string().transform(readOrigins).optional(),
  CARILLON_TRUST_PROXY: z.string().transform(readTrust).optional(),
  CARILLON_TLS_KEY: z.string().optional(),
  CARILLON_TLS_CERT: z.string().optional(),
  CARILLON_GRAPHIQL: SWITCH,
  CARILLON_INTROSPECTION: SWITCH,
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
    CARILLON_OPERATIONS,
    CARILLON_RETENTION,
    CARILLON_PRESENCE_GRACE_MS,
    CARILLON_PRESENCE_LEASE_MS,
    CARILLON_LOG_LEVEL,
  } = parsed.data
  const auth = authOf(parsed.data)
  if (isOpenMode(auth) && auth.auth === undefined && !LOOPBACK.has(HOST)) throw openToTheWorld(HOST)
  return {
    host: HOST,
    port: PORT,
    logLevel: CARILLON_LOG_LEVEL,
    presence: { graceMs: CARILLON_PRESENCE_GRACE_MS, leaseMs: CARILLON_PRESENCE_LEASE_MS },
    limits: readLimits(given),
    ...auth,
    ...readDoor(parsed.data, !inProduction(environment)),
    ...(REDIS_URL === undefined ? {} : { redisUrl: REDIS_URL }),
    ...(CARILLON_OPERATIONS === undefined ? {} : { operationsFile: CARILLON_OPERATIONS }),
    ...(CARILLON_RETENTION === undefined ? {} : { retention: CARILLON_RETENTION }),
    ...(DATABASE_URL === undefined
      ? { dataDir: CARILLON_DATA_DIR }
      : { databaseUrl: DATABASE_URL }),
  }
}

function authOf(environment: z.infer<typeof Environment>): AuthOptions {
  const {
    CARILLON_AUTH: auth,
    CARILLON_JWT_SECRET: secret,
    CARILLON_JWKS_URL: jwksUrl,
    CARILLON_JWT_ISSUER: issuer,
    CARILLON_JWT_AUDIENCE: audience,
    CARILLON_CAPABILITIES: capabilities,
    CARILLON_CLIENT_PUBLISH: clientPublish,
  } = environment
  const hasTokens = secret !== undefined || jwksUrl !== undefined
  return {
    clientPublish: clientPublish === 'on',
    ...(auth === undefined ? {} : { auth }),
    ...(hasTokens ? { jwt: { secret, jwksUrl, issuer, audience } } : {}),
    ...(capabilities === undefined ? {} : { capabilities }),
  }
}

function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
}

/** The text of a JSON list of capabilities. */
function readCapabilities(text: string, context: z.RefinementCtx): readonly CapabilityGrant[] {
  try {
    const grants: unknown = JSON.parse(text)
    parseCapabilities(grants, 'someone')
    return grants as readonly CapabilityGrant[] // what parseCapabilities lets through is nothing else
  } catch (error) {
    context.addIssue(`a JSON list of capabilities (${(error as Error).message.replace(/\.$/, '')})`)
    return z.NEVER
  }
}

/** Who may come in, and what is shown to all. */
function readDoor(
  {
    CARILLON_ORIGINS: origins,
    CARILLON_TRUST_PROXY: trustProxy,
    CARILLON_GRAPHIQL: graphiql,
    CARILLON_INTROSPECTION: introspection,
    CARILLON_TLS_KEY: key,
    CARILLON_TLS_CERT: cert,
  }: z.infer<typeof Environment>,
  isDevelopment: boolean,
) {
  const tls = readTls(key, cert)
  return {
    ...(origins === undefined ? {} : { origins }),
    ...(trustProxy === undefined ? {} : { trustProxy }),
    graphiql: graphiql === undefined ? isDevelopment : graphiql === 'on',
    introspection: introspection === undefined ? isDevelopment : introspection === 'on',
    ...(tls === undefined ? {} : { tls }),
  }
}

function readTls(keyPath: string | undefined, certPath: string | undefined): TlsFiles | undefined {
  if (keyPath === undefined && certPath === undefined) return undefined
  if (keyPath === undefined) throw new ConfigError('CARILLON_TLS_CERT needs CARILLON_TLS_KEY, too.')
  if (certPath === undefined)
    throw new ConfigError('CARILLON_TLS_KEY needs CARILLON_TLS_CERT, too.')
  const key = readPem('CARILLON_TLS_KEY', keyPath)
  const cert = readPem('CARILLON_TLS_CERT', certPath)
  try {
    createSecureContext({ key, cert })
  } catch (error) {
    const message = `CARILLON_TLS_KEY and CARILLON_TLS_CERT cannot be used: ${(error as Error).message}.`
    throw new ConfigError(message, { cause: error })
  }
  return { key, cert }
}

function readPem(variable: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const message = `${variable} names a file that cannot be read: ${(error as Error).message}.`
    throw new ConfigError(message, { cause: error })
  }
}

function readOrigins(text: string, context: z.RefinementCtx): readonly string[] {
  const origins = partsOf(text)
  try {
    new Origins(origins, false)
    return origins
  } catch {
    context.addIssue('a list such as https://app.example.com,https://*.example.com, or *')
    return z.NEVER
  }
}

function readTrust(text: string, context: z.RefinementCtx): TrustProxy {
  const trust = /^\d{1,3}$/.test(text) ? Number(text) : partsOf(text)
  try {
    new Arrivals(trust)
    return trust
  } catch {
    context.addIssue('a number of hops, or a list of loopback, addresses and networks')
    return z.NEVER
  }
}

function partsOf(text: string): readonly string[] {
  return text.split(',').map((part) => part.trim())
}

/** A limit of 0 lets nothing through, but where its description says otherwise. */
function readLimits(given: NodeJS.ProcessEnv): Partial<Limits> {
  const names = new Map(LIMIT_NAMES.map((name) => [limitVariable(name), name]))
  const limits = Object.entries(given).flatMap(([variable, text]) => {
    if (!variable.startsWith('CARILLON_LIMIT_')) return []
    const name = names.get(variable)
    if (name === undefined) throw new ConfigError(`${variable} is not the name of a limit.`)
    const limit = /^\d{1,15}$/.test(text ?? '') ? Number(text) : undefined
    if (limit !== undefined) return [[name, limit]]
    throw new ConfigError(`${variable} has to be a whole number, not ${JSON.stringify(text)}.`)
  })
  return Object.fromEntries(limits)
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

/** URLs may hold passwords: they are not repeated, and secrets neither. */
function describe(error: z.ZodError, given: Record<string, string | undefined>): ConfigError {
  const [issue] = error.issues
  const name = String(issue?.path[0])
  const value = given[name] ?? ''
  const shown = /_(URL|SECRET)$/.test(name) ? '' : `, not ${JSON.stringify(value)}`
  return new ConfigError(`${name} has to be ${issue?.message}${shown}.`)
}

function openToTheWorld(host: string): ConfigError {
  return new ConfigError(
    `HOST=${host} would let everyone who can reach this machine publish and read. ` +
      'Set CARILLON_JWT_SECRET or CARILLON_JWKS_URL, or CARILLON_AUTH=open if you mean it, or leave HOST at 127.0.0.1.',
  )
}
