// `npm run dev`: builds whenever a source changes, and restarts the server whenever a build ends.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { build } from './build.mjs'

build()
const require = createRequire(import.meta.url)
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc')
const children = [
  [tsc, '-p', 'tsconfig.build.json', '--watch', '--preserveWatchOutput'],
  ['--watch-path=dist', '--watch-preserve-output', 'dist/cli.js'],
].map((args) => spawn(process.execPath, args, { stdio: 'inherit' }))

function stop() {
  for (const child of children) child.kill('SIGTERM')
}

process.once('SIGINT', stop)
process.once('SIGTERM', stop)
for (const child of children) child.once('exit', stop)
