import { PrismaPg } from '@prisma/adapter-pg'
import { Prisma, PrismaClient } from '../../src/generated/prisma/client.ts'
import { ownCpuMicros } from '../support/process-usage.ts'
import type { PublishCase } from './case.ts'
import { payloadOf, TOPICS, topicOf } from './sample.ts'

/** What 256 publishers behind ten connections may have to wait, in milliseconds. */
const PATIENCE = { maxWait: 60_000, timeout: 60_000 }

/** Publishing as an application that has Prisma would write it, into the same tables. */
export interface Baseline extends AsyncDisposable {
  /** Makes the topics, which the baseline takes for given. */
  prepare(): Promise<void>
  readonly transaction: (publishers: number) => PublishCase
  readonly statement: (publishers: number) => PublishCase
}

export function openBaseline(url: string): Baseline {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 10 }) })
  const makeCase = (name: string, publish: Publish) => (publishers: number) => ({
    name,
    load: { publishers, cpuMicros: ownCpuMicros, publish: numbered(prisma, publish) },
  })
  return {
    prepare: () => createTopics(prisma),
    transaction: makeCase('Prisma, interactive transaction', publishInTransaction),
    statement: makeCase('Prisma, one raw SQL statement', publishInStatement),
    [Symbol.asyncDispose]: () => prisma.$disconnect(),
  }
}

type Publish = (prisma: PrismaClient, topic: string, payload: object) => Promise<unknown>

function numbered(prisma: PrismaClient, publish: Publish) {
  let number = 0
  return (publisher: number) => publish(prisma, topicOf(publisher), payloadOf(number++))
}

async function createTopics(prisma: PrismaClient): Promise<void> {
  const names = Array.from({ length: TOPICS }, (_, index) => topicOf(index))
  await prisma.topic.createMany({ data: names.map((name) => ({ name, epoch: 'baseline' })) })
}

/** The head row stays locked until the commit, so sequences are gapless and in commit order. */
function publishInTransaction(prisma: PrismaClient, topic: string, payload: object) {
  return prisma.$transaction(async (transaction) => {
    const { id, head } = await transaction.topic.update({
      where: { name: topic },
      data: { head: { increment: 1 } },
      select: { id: true, head: true },
    })
    return transaction.message.create({
      data: {
        topicId: id,
        sequence: head,
        type: 'message',
        payload,
        encrypted: false,
        from: 'baseline',
        publishedAt: new Date(),
      },
      select: { sequence: true, publishedAt: true },
    })
  }, PATIENCE)
}

/** The same in one round trip, for those who leave Prisma's models and write SQL. */
function publishInStatement(prisma: PrismaClient, topic: string, payload: object) {
  return prisma.$queryRaw(Prisma.sql`
    WITH bumped AS (
      UPDATE carillon.topics SET head = head + 1 WHERE name = ${topic} RETURNING id, head
    )
    INSERT INTO carillon.messages (
      topic_id, sequence, type, payload, encrypted, from_user, published_at
    )
    SELECT id, head, 'message', ${JSON.stringify(payload)}::json, false, 'baseline', now()
    FROM bumped
    RETURNING sequence, published_at`)
}
