import { test } from 'vitest'
import { expectWhole, publishAll, startCluster } from '../support/cluster.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'

/** What goes wrong while messages are published. */
const FAULTS: readonly {
  readonly what: string
  readonly start: (redis: PrivateRedis) => { stop(): Promise<void> }
}[] = [
  { what: 'nothing goes wrong', start: () => ({ stop: async () => undefined }) },
  {
    what: 'Redis cuts its subscribers off again and again',
    start(redis) {
      const timer = setInterval(() => void redis.killSubscribers(), 300)
      return { stop: async () => clearInterval(timer) }
    },
  },
  {
    what: 'Redis is killed and started again',
    start(redis) {
      const restarted = redis.kill().then(() => redis.start())
      return { stop: () => restarted }
    },
  },
]

describeWithPostgresql('three instances over one PostgreSQL', () => {
  describeWithRedis('and one Redis', () => {
    test.each(FAULTS)(
      'every subscriber sees 1…N in order, once, while $what',
      async ({ start }) => {
        await using database = await createDatabase()
        await using redis = await startPrivateRedis()
        await using cluster = await startCluster({
          databaseUrl: database.url,
          redisUrl: redis.url,
          topics: ['a', 'b', 'c', 'd'],
        })
        const fault = start(redis)
        await publishAll(cluster, 20_000)
        await fault.stop()
        await expectWhole(cluster)
      },
      120_000,
    )
  })
})
