import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The files that take longest, roughly in that order: what waits much beside what computes much. Begun
 * last, one of them would keep everyone waiting, alone.
 */
const LONGEST = [
  'chaos/checker',
  'integration/presence-in-chromium',
  'chaos/presence',
  'integration/memory',
  'integration/fuzz',
  'chaos/database-away',
  'chaos/hostile-clients',
  'integration/access/clients',
  'docs/programs',
  'integration/cli',
  'chaos/concurrent-publishers',
  'contracts/redis-sentinel',
  'contracts/retention',
  'chaos/instances',
  'integration/access/limits',
  'integration/access/revocation',
  'integration/cli-keys',
  'chaos/consumers',
  'chaos/lost-publishes',
  'chaos/shutdown',
  'docs/keys',
  'chaos/everyone-returns',
  'chaos/presence-convergence',
  'integration/slow-readers',
  'integration/access/secrets',
  'integration/embedded',
  'chaos/acknowledged-and-durable',
  'contracts/redis-cluster',
  'integration/access/credentials-over-time',
].map((name) => `/test/${name}.test.ts`)

/** Begins with the longest files, whatever an earlier run has left in a cache. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = files.filter((file) => placeOf(file) === -1)
    const longest = files.filter((file) => placeOf(file) !== -1)
    return [...longest.sort((a, b) => placeOf(a) - placeOf(b)), ...(await super.sort(others))]
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  return LONGEST.findIndex((end) => moduleId.endsWith(end))
}
