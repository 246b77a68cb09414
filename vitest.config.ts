import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.ts'

const carillon = fileURLToPath(new URL('src/index.ts', import.meta.url))

/** Starts databases from files that are made once per run. */
const pglite = fileURLToPath(new URL('test/support/prepared-pglite.mjs', import.meta.url))

/** As Node itself resolves it: Vite would take the other build, and types of two builds do not mix. */
const graphql = fileURLToPath(new URL('node_modules/graphql/index.js', import.meta.url))

/** Tests that need databases and the like. */
const WITH_PARTS = {
  globalSetup: 'test/support/global-setup.ts',
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

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
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    projects: [
      {
        extends: true,
        test: { name: 'architecture', include: ['test/architecture.test.ts'] },
      },
      {
        extends: true,
        // In processes of their own: what a test leaves behind that has run out of time slows down no other.
        test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'], ...WITH_PARTS },
      },
      {
        extends: true,
        test: {
          name: 'carillon',
          include: ['test/**/*.test.ts'],
          exclude: ['test/architecture.test.ts', 'test/chaos/**'],
          ...WITH_PARTS,
          // Modules are loaded and compiled once per process: what a test changes for all, it puts back.
          isolate: false,
        },
      },
    ],
  },
})
