import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { Sockets } from '../../../src/cli/sockets.ts'

test('sockets that are just being opened, or cannot be, end with their command', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const sockets = new Sockets()
  const opening = new sockets.implementation(`ws://127.0.0.1:${port}`, 'graphql-transport-ws')
  const refused = new sockets.implementation('ws://127.0.0.1:1', 'graphql-transport-ws')
  await expect(sockets.close()).resolves.toBeUndefined()
  for (const socket of [opening, refused]) expect(socket).toMatchObject({ readyState: 3 })
  silent.close()
})
