import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCarillon } from 'carillon'
import { expect, test } from 'vitest'
import { lockDirectory } from '../../src/database/directory-lock.ts'
import { createFolder, fieldOf, request } from '../support/carillon.ts'
import { spawnCli } from '../support/process.ts'
import { rejection } from '../support/rejection.ts'

const PUBLISH = `mutation ($payload: JSON!) {
  publish(input: { topic: "chat:1", payload: $payload }) { message { sequence } }
}`

test('keeps messages, numbering and acks over a restart', async () => {
  await using folder = await createFolder()
  const dataDir = join(folder.path, 'data')
  const first = await createCarillon({ dataDir, logLevel: 'silent' })
  await first.publish({ topic: 'chat:1', payload: { text: 'one' } })
  await first.ack({ topic: 'chat:1', consumer: 'worker', sequence: 1 })
  await first.close()

  await using second = await createCarillon({ dataDir, logLevel: 'silent' })
  const { message } = await second.publish({ topic: 'chat:1', payload: { text: 'two' } })
  expect(message.sequence).toBe(2)
  const { messages } = await second.messages({ topic: 'chat:1' })
  expect(messages.map(({ payload }) => payload)).toEqual([{ text: 'one' }, { text: 'two' }])
  expect(await second.ack({ topic: 'chat:1', consumer: 'worker', sequence: 1 })).toMatchObject({
    acked: 1,
    lag: 1,
  })
  expect(await readdir(dataDir)).toEqual(expect.arrayContaining(['.gitignore', 'lock.2']))
})

test('has every acknowledged message after kill -9, and starts again at once', async () => {
  await using folder = await createFolder()
  const environment = { CARILLON_DATA_DIR: folder.path }
  const acknowledged: number[] = []
  {
    await using server = spawnCli(['serve'], environment)
    const url = await server.ready()
    for (let number = 1; number <= 20; number++) {
      await request(url, PUBLISH, { payload: number })
      acknowledged.push(number)
    }
    const inFlight = request(url, PUBLISH, { payload: 21 }).catch(() => undefined)
    server.child.kill('SIGKILL')
    await server.exited()
    await inFlight
  }
  await using server = spawnCli(['serve'], environment)
  const url = await server.ready()
  const answer = await request(
    url,
    '{ messages(topic: "chat:1", last: 100) { nodes { payload } } }',
  )
  const { nodes: stored } = fieldOf<{ nodes: { payload: number }[] }>(answer, 'messages')
  expect(stored.map(({ payload }) => payload).slice(0, 20)).toEqual(acknowledged)
})

test('refuses a second server on the same directory, in one line', async () => {
  await using folder = await createFolder()
  const environment = { CARILLON_DATA_DIR: folder.path }
  await using first = spawnCli(['serve'], environment)
  await first.ready()
  await using second = spawnCli(['serve'], environment)
  expect(await second.exited()).toBe(1)
  expect(second.output()).toMatch(
    /^carillon: The data directory \S+ is in use by another Carillon .*\n$/,
  )
})

async function readLock(directory: string, name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(directory, name), 'utf8')) as Record<string, unknown>
}

/** Leaves the lock of a process of this machine. */
async function leaveLock(directory: string, fields: Record<string, unknown>): Promise<void> {
  const own = await lockDirectory(directory)
  const holder = { ...(await readLock(directory, 'lock.1')), ...fields }
  await own.release()
  await writeFile(join(directory, 'lock.7'), JSON.stringify(holder))
}

test('lets one of several have a directory whose holder has died', async () => {
  for (let round = 0; round < 20; round++) {
    await using folder = await createFolder()
    await leaveLock(folder.path, { pid: 2 ** 22 + 1 })
    const taken = await Promise.allSettled(
      Array.from({ length: 8 }, () => lockDirectory(folder.path)),
    )
    expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await readdir(folder.path)).toEqual(['lock.8'])
  }
})

test('does not take a directory from a living holder on another host, until its heart stops', async () => {
  await using folder = await createFolder()
  await leaveLock(folder.path, { host: 'another-host' })
  expect(String(await rejection(lockDirectory(folder.path)))).toContain('on another-host')
  const longAgo = new Date(Date.now() - 60_000)
  await utimes(join(folder.path, 'lock.7'), longAgo, longAgo)
  await (await lockDirectory(folder.path)).release()
})

test('does not take a directory from another container that has the same name', async () => {
  await using folder = await createFolder()
  await leaveLock(folder.path, { pid: 2 ** 22 + 1, pidSpace: 'another' })
  expect(String(await rejection(lockDirectory(folder.path)))).toContain('is in use')
})

test('gives a directory back when it is released', async () => {
  await using folder = await createFolder()
  const first = await lockDirectory(folder.path)
  expect(String(await rejection(lockDirectory(folder.path)))).toContain('is in use')
  await first.release()
  const second = await lockDirectory(folder.path)
  expect(String(await rejection(lockDirectory(folder.path)))).toContain('is in use')
  await second.release()
})

test('refuses the files of another version of PostgreSQL, in one line', async () => {
  await using folder = await createFolder()
  const carillon = await createCarillon({ dataDir: folder.path, logLevel: 'silent' })
  await carillon.close()
  await writeFile(join(folder.path, 'postgresql/PG_VERSION'), '12\n')
  const error = await rejection(createCarillon({ dataDir: folder.path, logLevel: 'silent' }))
  expect(error).toMatchObject({ name: 'DatabaseStartError' })
  expect(String(error)).toContain('was written by PostgreSQL 12')
})

test('says in one line that a directory cannot be made', async () => {
  await using folder = await createFolder()
  await writeFile(join(folder.path, 'file'), '')
  const dataDir = join(folder.path, 'file/data')
  const error = await rejection(createCarillon({ dataDir, logLevel: 'silent' }))
  expect(String(error)).toMatch(/The data directory \S+ cannot be used: .*CARILLON_DATA_DIR\.$/)
})

test('busy publishers do not keep timers and sockets from running', async () => {
  await using carillon = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
  let stop = false
  const publishing = (async () => {
    while (!stop) await carillon.publish({ topic: 'chat:1', payload: 1 })
  })()
  await new Promise((resolve) => setTimeout(resolve, 50))
  stop = true
  await publishing
})
