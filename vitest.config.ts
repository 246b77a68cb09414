import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.ts'

const carillon = fileURLToPath(new URL('src/index.ts', import.meta.url))

/** Starts databases from files that are made once per run. */
const pglite = fileURLToPath(new URL('test/support/prepared-pglite.mjs', import.meta.url))

/** As Node itself resolves it: Vite would take the other build, and types of two builds do not mix. */
const graphql = fileURLToPath(new URL('node_modules/graphql/index.js', import.meta.url))

/** The architecture alone, for `npm run check`; everything, for `npm test`. */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^carillon$/, replacement: carillon },
      { find: /^graphql$/, replacement: graphql },
      { find: /^@electric-sql\/pglite$/, replacement: pglite },
    ],
  },
  // Node 20 knows no `using` declarations.
  oxc: { target: 'node20' },
  test: {
    // Much of the time is spent waiting for servers and databases; more files at once only wait for each other.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    projects: [
      {
        extends: true,
        test: { name: 'architecture', include: ['test/architecture.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'carillon',
          include: ['test/**/*.test.ts'],
          exclude: ['test/architecture.test.ts'],
          globalSetup: 'test/support/global-setup.ts',
          // Modules are loaded and compiled once per worker: what a test changes for all, it puts back.
          isolate: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
