import { expect, test } from 'vitest'
import { parseRedisUrl, redisAddressOf } from '../../../src/redis/redis-address.ts'

test.each([
  'redis://127.0.0.1:6379',
  'redis://user:p%40ss@host:6379/2',
  'rediss://[::1]:6380',
  'REDIS://host',
])('leaves %s to ioredis', (url) => {
  expect(parseRedisUrl(url)).toEqual({ kind: 'url', url })
})

test('reads the addresses of Sentinels, the name of the master and the database', () => {
  expect(parseRedisUrl('redis-sentinel://s1:26380,s2/bells/3')).toEqual({
    kind: 'server',
    options: {
      sentinels: [
        { host: 's1', port: 26380 },
        { host: 's2', port: 26379 },
      ],
      name: 'bells',
      db: 3,
    },
  })
})

test('keeps the password of the master and that of the Sentinels apart', () => {
  const url =
    'redis-sentinel://me:p%40ss%2F%3A%2B@s1/my%20bells?sentinelUsername=guard&sentinelPassword=a%26b+c%25'
  expect(parseRedisUrl(url)).toMatchObject({
    options: {
      name: 'my bells',
      username: 'me',
      password: 'p@ss/:+',
      sentinelUsername: 'guard',
      sentinelPassword: 'a&b+c%',
    },
  })
})

test('encrypts connections to the Sentinels and to the master', () => {
  expect(parseRedisUrl('rediss-sentinel://s1/bells')).toMatchObject({
    options: { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true },
  })
})

test('reads the nodes of a Cluster, IPv6 among them', () => {
  expect(parseRedisUrl('redis-cluster://[::1]:7000,[fe80::2],10.0.0.1:7001')).toEqual({
    kind: 'cluster',
    nodes: [
      { host: '::1', port: 7000 },
      { host: 'fe80::2', port: 6379 },
      { host: '10.0.0.1', port: 7001 },
    ],
    options: { redisOptions: {} },
  })
})

test('gives every node of a Cluster the user, the password and TLS', () => {
  expect(parseRedisUrl('rediss-cluster://u%3Aser:pass:word@a,b/0')).toMatchObject({
    nodes: [{ host: 'a' }, { host: 'b' }],
    options: { redisOptions: { username: 'u:ser', password: 'pass:word', tls: {} } },
  })
})

test('takes a password without a user for that of the default user', () => {
  expect(parseRedisUrl('redis-cluster://:secret@a')).toMatchObject({
    options: { redisOptions: { password: 'secret' } },
  })
})

test.each([
  '',
  'localhost:6379',
  'http://host:6379',
  'redis-ring://host',
  'redis://host:port',
  'redis://user:100%@host',
  'redis-sentinel://s1,s2',
  'redis-sentinel://s1/',
  'redis-sentinel://s1/bells/x',
  'redis-sentinel://s1/bells?sentinelpassword=x',
  'redis-sentinel://s1:0/bells',
  'redis-sentinel://s1:70000/bells',
  'redis-sentinel://s1,,s2/bells',
  'redis-sentinel://user@s1/bells',
  'redis-sentinel://u:100%@s1/bells',
  'redis-sentinel://u:p@ss@s1/bells',
  'redis-sentinel:///bells',
  'redis-cluster://',
  'redis-cluster://a:7000/1',
  'redis-cluster://a:7000?x=1',
  'redis-cluster://::1:7000',
  'redis-cluster://[::1',
  'redis-cluster://a b:7000',
])('refuses %j', (url) => {
  expect(parseRedisUrl(url)).toBeUndefined()
})

test('takes the options of ioredis for a server and for a Cluster', () => {
  const server = { sentinels: [{ host: 's1', port: 26379 }], name: 'bells' }
  expect(redisAddressOf({ redis: server })).toEqual({ kind: 'server', options: server })
  const cluster = { nodes: [{ host: 'a', port: 7000 }], options: { natMap: {} } }
  expect(redisAddressOf({ redis: cluster })).toEqual({ kind: 'cluster', ...cluster })
})

test('is none where nothing is given', () => {
  expect(redisAddressOf({})).toBeUndefined()
})

test('refuses two ways at once, no nodes, and a URL that is none, which it does not repeat', () => {
  expect(() => redisAddressOf({ redisUrl: 'redis://host', redis: { host: 'host' } })).toThrow(
    new TypeError('Give redisUrl or redis, not both.'),
  )
  expect(() => redisAddressOf({ redis: { nodes: [] } })).toThrow(
    new TypeError('redis.nodes has to name at least one node.'),
  )
  const mistake = () => redisAddressOf({ redisUrl: 'redis-cluster://u:secret@' })
  expect(mistake).toThrow(/^redisUrl has to be a URL such as redis:\/\/user:password@host:6379, /)
  expect(mistake).not.toThrow(/secret/)
})
