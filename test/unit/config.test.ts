import { expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'

function messageOf(environment: NodeJS.ProcessEnv): string | undefined {
  try {
    readConfig(environment)
    return undefined
  } catch (error) {
    return error instanceof Error && error.name === 'ConfigError' ? error.message : String(error)
  }
}

test('needs no environment at all', () => {
  expect(readConfig({})).toEqual({
    host: '127.0.0.1',
    port: 4000,
    dataDir: './.carillon',
    logLevel: 'warn',
    presence: { graceMs: 5_000, leaseMs: 30_000 },
  })
})

test('takes empty variables for unset', () => {
  expect(readConfig({ PORT: '', DATABASE_URL: '' })).toMatchObject({ port: 4000 })
})

test('uses PostgreSQL where there is a URL', () => {
  const config = readConfig({ DATABASE_URL: 'postgres://u:p@db/x', PORT: '0', HOST: '::1' })
  expect(config).toEqual({
    host: '::1',
    port: 0,
    databaseUrl: 'postgres://u:p@db/x',
    logLevel: 'warn',
    presence: { graceMs: 5_000, leaseMs: 30_000 },
  })
})

test.each([
  'rediss://user:password@host:6379/1',
  'redis-sentinel://:password@s1:26379,s2:26379/master',
  'redis-cluster://a:7000,b:7000',
])('uses Redis at %s', (redisUrl) => {
  expect(readConfig({ REDIS_URL: redisUrl })).toMatchObject({ redisUrl })
})

test.each([
  [{ PORT: 'x' }, 'PORT has to be a port number from 0 to 65535, not "x".'],
  [{ PORT: '65536' }, 'PORT has to be a port number from 0 to 65535, not "65536".'],
  [{ PORT: '1.5' }, 'PORT has to be a port number from 0 to 65535, not "1.5".'],
  [
    { DATABASE_URL: 'mysql://root:secret@db/x' },
    'DATABASE_URL has to be a URL such as postgresql://user:password@host:5432/database.',
  ],
  [
    { REDIS_URL: 'redis-sentinel://root:secret@s1,s2' },
    'REDIS_URL has to be a URL such as redis://user:password@host:6379, ' +
      'redis-sentinel://user:password@host:26379,host:26379/master or ' +
      'redis-cluster://user:password@host:6379,host:6379.',
  ],
  [
    { CARILLON_LOG_LEVEL: 'loud' },
    'CARILLON_LOG_LEVEL has to be one of debug, info, warn, error, silent, not "loud".',
  ],
  [
    { CARILLON_PRESENCE_GRACE_MS: '5s' },
    'CARILLON_PRESENCE_GRACE_MS has to be a whole number of milliseconds from 0 to 600000, not "5s".',
  ],
  [
    { CARILLON_PRESENCE_LEASE_MS: '999' },
    'CARILLON_PRESENCE_LEASE_MS has to be a whole number of milliseconds from 1000 to 600000, not "999".',
  ],
  [
    { CARILLON_RETENTION: '[{"topics":"chat:*","maxAge":"1d"}]' },
    'CARILLON_RETENTION has to be a JSON list of retention rules ' +
      '(retention[0].maxAge has to be a whole number of seconds from 1 to 3153600000), ' +
      'not "[{\\"topics\\":\\"chat:*\\",\\"maxAge\\":\\"1d\\"}]".',
  ],
])('says what is wrong with %j in one line', (environment, message) => {
  expect(messageOf(environment)).toBe(message)
})

test('reads the rules of the retention, and says that they are no JSON', () => {
  const rules = [{ topics: 'audit' }, { topics: '*', maxAge: 86_400, keepUnacked: true }]
  expect(readConfig({ CARILLON_RETENTION: JSON.stringify(rules) })).toMatchObject({
    retention: rules,
  })
  expect(messageOf({ CARILLON_RETENTION: 'chat:*' })).toMatch(
    /^CARILLON_RETENTION has to be a JSON list of retention rules \(.*JSON.*\), not "chat:\*"\.$/,
  )
})

test('opens to other machines only where that is said', () => {
  expect(messageOf({ HOST: '0.0.0.0' })).toMatch(/^HOST=0\.0\.0\.0 would let everyone/)
  expect(readConfig({ HOST: '0.0.0.0', CARILLON_AUTH: 'open' })).toMatchObject({ host: '0.0.0.0' })
})
