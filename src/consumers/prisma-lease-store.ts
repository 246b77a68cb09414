import type { Epoch, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import {
  leasedStatement,
  leaveStatement,
  releaseStatement,
  renewStatement,
  surveyStatement,
  takeStatement,
} from './lease-statements.ts'
import type { LeasedTopic, LeaseStore, Member, Survey } from './lease-store.ts'

interface SurveyRow {
  readonly members: number
  readonly active: number
  readonly next_expiry: number | null
  /** Null where there is nothing to do. */
  readonly name: TopicName | null
  readonly is_mine: boolean
}

interface LeasedRow {
  readonly name: TopicName
  readonly epoch: Epoch
  readonly acked: Sequence
}

/** Leases in PostgreSQL, real or embedded. */
export class PrismaLeaseStore implements LeaseStore {
  readonly #prisma: PrismaClient

  constructor(database: Database) {
    this.#prisma = database.prisma
  }

  async renew(member: Member): Promise<readonly TopicName[]> {
    const rows = await this.#rows<{ readonly name: TopicName }>(renewStatement(member))
    return rows.map(({ name }) => name)
  }

  async survey(member: Member): Promise<Survey> {
    const rows = await this.#rows<SurveyRow>(surveyStatement(member))
    const [first] = rows
    const namesOf = (isMine: boolean) =>
      rows.flatMap(({ name, is_mine }) => (name !== null && is_mine === isMine ? [name] : []))
    return {
      members: first?.members ?? 1,
      active: first?.active ?? 0,
      mine: namesOf(true),
      open: namesOf(false),
      nextExpiryMs: first?.next_expiry ?? undefined,
    }
  }

  async take(member: Member, topics: readonly TopicName[]): Promise<readonly LeasedTopic[]> {
    await this.#execute(takeStatement(member, topics))
    // Only now: what another acknowledged while it had the lease is to be seen.
    const rows = await this.#rows<LeasedRow>(leasedStatement(member, topics))
    return rows.map(({ name, epoch, acked }) => ({
      topic: name,
      acked: { epoch, sequence: acked },
    }))
  }

  release(member: Member, topics: readonly TopicName[]): Promise<void> {
    return this.#execute(releaseStatement(member, topics))
  }

  async leave(member: Member): Promise<void> {
    await this.#execute(releaseStatement(member, undefined))
    await this.#execute(leaveStatement(member))
  }

  #rows<Row>(statement: Prisma.Sql): Promise<Row[]> {
    return withFaults(() => this.#prisma.$queryRaw<Row[]>(statement))
  }

  async #execute(statement: Prisma.Sql): Promise<void> {
    await withFaults(() => this.#prisma.$executeRaw(statement))
  }
}
