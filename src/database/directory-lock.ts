import { randomUUID } from 'node:crypto'
import {
  link,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DirectoryInUseError } from './database.ts'

export interface DirectoryLock {
  /** Lets the next process have the directory. */
  release(): Promise<void>
}

/** Who holds a directory. */
interface Holder {
  readonly pid: number
  /** When that process started, where the system tells: pids are used again. */
  readonly startedAt: string | null
  readonly host: string
  /** Where that pid counts, where the system tells: containers may share a host name, not their pids. */
  readonly pidSpace: string | null
  readonly released: boolean
}

/** The holder touches its file this often, and is taken for gone after the second. */
const HEARTBEAT_MS = 2_000
const GONE_AFTER_MS = 10_000

const LOCK_FILE = /^lock\.(\d+)$/

/**
 * Takes a directory for this process. PGlite itself would let two processes write the same
 * files. A holder on this host that has died is recognised at once by its process id, so a
 * restart after kill -9 does not wait; one on another host (a volume shared by containers) by its
 * heartbeat.
 *
 * The file lock.N with the highest N is the lock. A successor makes lock.N+1, which succeeds for
 * one process only, and then removes the older ones. Nobody ever touches the file of another holder,
 * and a released one stays as a tombstone, so that numbers only grow: a process that was slow finds
 * its number taken, or a higher one in place.
 * @throws DirectoryInUseError where another process has it
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const draft = join(directory, `draft.${randomUUID()}`)
  const holder: Holder = {
    pid: process.pid,
    startedAt: await startTime(process.pid),
    host: hostname(),
    pidSpace: await readPidSpace(),
    released: false,
  }
  await writeHolder(draft, holder)
  try {
    return hold(await acquire(directory, draft), holder)
  } finally {
    await rm(draft, { force: true })
  }
}

async function acquire(directory: string, draft: string): Promise<string> {
  for (;;) {
    const newest = await newestLock(directory)
    await refuseLiving(directory, newest)
    const own = lockFile(directory, newest + 1)
    if (!(await tryLink(draft, own))) continue
    if ((await newestLock(directory)) === newest + 1) {
      await removeOlder(directory, newest + 1)
      return own
    }
    await rm(own, { force: true })
  }
}

async function refuseLiving(directory: string, newest: number): Promise<void> {
  const file = lockFile(directory, newest)
  const holder = await readHolder(file)
  if (holder === undefined || !(await isAlive(holder, file))) return
  throw new DirectoryInUseError(directory, holder)
}

async function lockNumbers(directory: string): Promise<readonly number[]> {
  return (await readdir(directory)).flatMap((name) => {
    const digits = LOCK_FILE.exec(name)?.[1]
    return digits === undefined ? [] : Number(digits)
  })
}

async function newestLock(directory: string): Promise<number> {
  return Math.max(0, ...(await lockNumbers(directory)))
}

async function removeOlder(directory: string, own: number): Promise<void> {
  const older = (await lockNumbers(directory)).filter((number) => number < own)
  await Promise.all(older.map((number) => rm(lockFile(directory, number), { force: true })))
}

function lockFile(directory: string, number: number): string {
  return join(directory, `lock.${number}`)
}

function hold(file: string, holder: Holder): DirectoryLock {
  const heartbeat = setInterval(() => {
    const now = new Date()
    // A file that someone removed by hand cannot be touched; there is nothing to do about it.
    utimes(file, now, now).catch(() => undefined)
  }, HEARTBEAT_MS)
  heartbeat.unref()
  return {
    async release() {
      clearInterval(heartbeat)
      const tombstone = `${file}.${randomUUID()}`
      await writeHolder(tombstone, { ...holder, released: true })
      await rename(tombstone, file)
    },
  }
}

async function isAlive(holder: Holder, file: string): Promise<boolean> {
  if (holder.released) return false
  const isHere = holder.host === hostname() && holder.pidSpace === (await readPidSpace())
  if (!isHere) return isTouched(file)
  if (!isRunning(holder.pid)) return false
  const started = await startTime(holder.pid)
  return started === null || holder.startedAt === null || started === holder.startedAt
}

async function isTouched(file: string): Promise<boolean> {
  const { mtimeMs } = await stat(file)
  return Date.now() - mtimeMs < GONE_AFTER_MS
}

function writeHolder(file: string, holder: Holder): Promise<void> {
  return writeFile(file, `${JSON.stringify(holder)}\n`)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** The boot and the namespace that process ids belong to; null where there is no /proc. */
async function readPidSpace(): Promise<string | null> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    return `${boot.trim()} ${await readlink('/proc/self/ns/pid')}`
  } catch {
    return null
  }
}

/** Field 22 of /proc/PID/stat, https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html; null elsewhere. */
async function startTime(pid: number): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Holder
  } catch {
    return undefined // gone, or no file of ours
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
