import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { createFolder } from '../support/carillon.ts'
import { makeCertificate } from '../support/certificate.ts'

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
    limits: {},
    clientPublish: true,
    graphiql: true,
    introspection: true,
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
    limits: {},
    clientPublish: true,
    graphiql: true,
    introspection: true,
  })
})

test.each([
  'rediss://user:password@host:6379/1',
  'redis-sentinel://:password@s1:26379,s2:26379/master',
  'redis-cluster://a:7000,b:7000',
])('uses Redis at %s', (redisUrl) => {
  expect(readConfig({ REDIS_URL: redisUrl })).toMatchObject({ redisUrl })
})

test('has a variable for each limit', () => {
  const environment = {
    CARILLON_LIMIT_PAYLOAD_BYTES: '100',
    CARILLON_LIMIT_PUBLISHES_PER_SECOND_PER_USER: '0',
  }
  expect(readConfig(environment).limits).toEqual({
    payloadBytes: 100,
    publishesPerSecondPerUser: 0,
  })
})

test.each([
  [{ CARILLON_LIMIT_PAYLOAD: '1' }, 'CARILLON_LIMIT_PAYLOAD is not the name of a limit.'],
  [{ CARILLON_LIMIT_PAGE: 'all' }, 'CARILLON_LIMIT_PAGE has to be a whole number, not "all".'],
  [{ CARILLON_LIMIT_PAGE: '-1' }, 'CARILLON_LIMIT_PAGE has to be a whole number, not "-1".'],
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
    { CARILLON_ORIGINS: 'https://app.example.com,app' },
    'CARILLON_ORIGINS has to be a list such as https://app.example.com,https://*.example.com, or *, ' +
      'not "https://app.example.com,app".',
  ],
  [
    { CARILLON_TRUST_PROXY: 'nginx' },
    'CARILLON_TRUST_PROXY has to be a number of hops, or a list of loopback, addresses and networks, ' +
      'not "nginx".',
  ],
  [{ CARILLON_GRAPHIQL: 'yes' }, 'CARILLON_GRAPHIQL has to be on or off, not "yes".'],
  [{ CARILLON_TLS_KEY: 'a.pem' }, 'CARILLON_TLS_KEY needs CARILLON_TLS_CERT, too.'],
  [{ CARILLON_TLS_CERT: 'a.pem' }, 'CARILLON_TLS_CERT needs CARILLON_TLS_KEY, too.'],
  [
    { CARILLON_TLS_KEY: '/nowhere/key.pem', CARILLON_TLS_CERT: '/nowhere/cert.pem' },
    'CARILLON_TLS_KEY names a file that cannot be read: ' +
      "ENOENT: no such file or directory, open '/nowhere/key.pem'.",
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

test('shows GraphiQL and the schema, but in production, and where it is told otherwise', () => {
  const shown = (environment: NodeJS.ProcessEnv) => {
    const { graphiql, introspection } = readConfig(environment)
    return { graphiql, introspection }
  }
  expect(shown({ NODE_ENV: 'production' })).toEqual({ graphiql: false, introspection: false })
  expect(shown({ NODE_ENV: 'production', CARILLON_GRAPHIQL: 'on' })).toEqual({
    graphiql: true,
    introspection: false,
  })
  expect(shown({ CARILLON_INTROSPECTION: 'off' })).toEqual({ graphiql: true, introspection: false })
})

test('reads origins, and whom to trust, as lists or as a number of hops', () => {
  const origins = 'https://app.example.com, https://*.example.com'
  expect(readConfig({ CARILLON_ORIGINS: origins })).toMatchObject({
    origins: ['https://app.example.com', 'https://*.example.com'],
  })
  expect(readConfig({ CARILLON_TRUST_PROXY: '2' })).toMatchObject({ trustProxy: 2 })
  expect(readConfig({ CARILLON_TRUST_PROXY: 'loopback,10.0.0.0/8' })).toMatchObject({
    trustProxy: ['loopback', '10.0.0.0/8'],
  })
})

test('reads a certificate and its key, and says where they do not belong together', async () => {
  await using folder = await createFolder()
  const mine = await makeCertificate(join(folder.path, 'mine'))
  const other = await makeCertificate(join(folder.path, 'other'))
  const config = readConfig({ CARILLON_TLS_KEY: mine.keyPath, CARILLON_TLS_CERT: mine.certPath })
  expect(config.tls).toEqual({ key: Buffer.from(mine.key), cert: Buffer.from(mine.cert) })
  expect(messageOf({ CARILLON_TLS_KEY: other.keyPath, CARILLON_TLS_CERT: mine.certPath })).toMatch(
    /^CARILLON_TLS_KEY and CARILLON_TLS_CERT cannot be used: .*mismatch\.$/,
  )
})
