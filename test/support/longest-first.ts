import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The files that take longest, roughly in that order: begun last, one of them would keep everyone
 * waiting, alone. First of all an attack that has to come up to some limits in a second and a half, beside
 * files that mostly wait.
 */
const LONGEST = [
  'chaos/hostile-clients',
  'integration/presence-in-chromium',
  'chaos/database-away',
  'integration/access/clients',
  'chaos/checker',
  'chaos/presence',
  'integration/memory',
  'integration/fuzz',
  'docs/programs',
  'integration/cli',
  'contracts/redis-sentinel',
  'chaos/concurrent-publishers',
  'chaos/shutdown',
  'contracts/retention',
  'chaos/consumers',
  'chaos/instances',
  'integration/access/limits',
  'integration/access/revocation',
  'chaos/presence-convergence',
  'integration/cli-keys',
  'chaos/lost-publishes',
  'chaos/everyone-returns',
  'integration/slow-readers',
  'integration/access/secrets',
  'contracts/redis-cluster',
  'integration/embedded',
  'chaos/acknowledged-and-durable',
  'integration/access/credentials-over-time',
  'integration/graphiql',
  'docs/keys',
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
