// `npm start`: builds if necessary and serves, in this process, so that signals reach the server.
import process from 'node:process'
import { build } from './build.mjs'

/** How often to look whether npm is still there, in milliseconds. */
const WATCH_MS = 500

/** npm dies of a SIGTERM that is meant for both, and says nothing: the server would stay behind. */
function closeWithNpm() {
  const npm = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === npm) return
    clearInterval(watch)
    process.kill(process.pid, 'SIGTERM')
  }, WATCH_MS)
  watch.unref()
}

build()
if (process.env.npm_lifecycle_event === 'start') closeWithNpm()
await import('../dist/cli.js')
