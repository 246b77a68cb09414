import { EXIT } from './failure.ts'

/** How long the end of a process may wait for a slow reader of its output, in milliseconds. */
const FLUSH_MS = 1_000

/** Resolves when there is room again; shared by all who wait for it. */
let room: Promise<void> | undefined

/** Prints, and resolves when the reader has room for more: whoever awaits it is as slow as the reader. */
export function printPatiently(text: string): Promise<void> {
  if (process.stdout.write(text)) return Promise.resolve()
  room ??= new Promise((resolve) => {
    process.stdout.once('drain', () => {
      room = undefined
      resolve()
    })
  })
  return room
}

/** Resolves when all of the output is with its reader, or the reader takes too long. */
export function flushed(): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FLUSH_MS)
    process.stdout.write('', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** Where the reader of the output goes away, as `head` does, the process ends as quietly as others do. */
export function endWhenUnread(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.UNREAD)
    throw error
  })
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
