import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The files that take longest, roughly in that order: begun last, one of them would keep everyone
 * waiting, alone. First of all an attack that has to come up to limits within a second or two, beside
 * files that mostly wait.
 */
const LONGEST = [
  'chaos/hostile-clients',
  'chaos/database-away',
  'chaos/presence-convergence',
  'chaos/shutdown',
  'chaos/consumers',
  'chaos/presence',
  'chaos/acknowledged-and-durable',
  'chaos/checker',
  'chaos/everyone-returns',
  'chaos/instances',
  'chaos/concurrent-publishers',
  'chaos/lost-publishes',
  'chaos/exactly-one-publish',
  'integration/memory',
  'integration/presence-in-chromium',
  'integration/fuzz',
  'docs/programs',
  'integration/access/clients',
  'integration/cli',
  'contracts/redis-sentinel',
  'contracts/retention',
  'integration/access/limits',
  'integration/access/revocation',
  'integration/cli-keys',
  'integration/slow-readers',
  'integration/access/secrets',
  'contracts/redis-cluster',
  'integration/embedded',
  'integration/access/credentials-over-time',
  'integration/graphiql',
  'docs/keys',
].map((name) => `/test/${name}.test.ts`)

/**
 * Begins with the longest files, whatever an earlier run has left in a cache. Those with processes of their
 * own come first: between the others they would end the processes that those share.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.sort((a, b) => groupOf(a) - groupOf(b) || placeOf(a) - placeOf(b))
  }
}

function groupOf({ project }: TestSpecification): number {
  return project.config.isolate ? 0 : 1
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = LONGEST.findIndex((end) => moduleId.endsWith(end))
  return place === -1 ? LONGEST.length : place
}
