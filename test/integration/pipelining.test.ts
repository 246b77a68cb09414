import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startServer } from '../support/carillon.ts'

/** So many requests in one piece, and what comes back until the connection is closed. */
async function pipeline(port: number, count: number) {
  const socket = connect(port, '127.0.0.1')
  let answers = ''
  socket.on('data', (chunk: Buffer) => {
    answers += String(chunk)
  })
  socket.on('error', () => undefined) // told by the close
  await once(socket, 'connect')
  const query = encodeURIComponent('{ viewer { userId } }')
  const head = `GET /graphql?query=${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n`
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const all = [...Array.from({ length: count - 1 }, () => head), `${head}Connection: close\r\n`]
  socket.write(all.map((one) => `${one}\r\n`).join(''))
  await Promise.race([closed, setTimeout(10_000)])
  return answers.split('HTTP/1.1 200').length - 1
}

test('a connection may send some requests before the first one is answered, and no flood of them', async () => {
  await using server = await startServer()
  const port = Number(new URL(server.url).port)
  expect(await pipeline(port, 64)).toBe(64)
  expect(await pipeline(port, 5_000)).toBeLessThan(64)
  expect((await fetch(new URL('/health/live', server.url))).status).toBe(200)
})
