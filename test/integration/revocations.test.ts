import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import { PrismaRevocationStore } from '../../src/access/prisma-revocation-store.ts'
import { Revocations } from '../../src/access/revocations.ts'
import { openPostgresql } from '../../src/database/postgresql.ts'
import { freePort } from '../support/free-port.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { openTcpProxy } from '../support/tcp-proxy.ts'

describeWithPostgresql('revocations of several instances', () => {
  test('reach the others by themselves, and after an outage those that came in it', async () => {
    await using throwaway = await createDatabase()
    const near = await openPostgresql({ url: throwaway.url })
    const { port } = new URL(throwaway.url)
    await using proxy = await openTcpProxy(Number(port || 5432))
    const proxied = new URL(throwaway.url)
    proxied.hostname = '127.0.0.1'
    proxied.port = String(proxy.port)
    const far = await openPostgresql({ url: proxied.href })

    const told = new EventEmitter()
    const faults: unknown[] = []
    const here = new Revocations({ store: new PrismaRevocationStore(near), onFault: () => {} })
    await using there = new Revocations({
      store: new PrismaRevocationStore(far),
      onFault: (fault) => {
        faults.push(fault)
        told.emit('fault')
      },
    })
    there.onRevoked((revocations) => told.emit('revoked', revocations))
    await there.start()

    const heard = once(told, 'revoked')
    const first = await here.revoke({ userId: 'ann' })
    expect(await heard).toEqual([[first]])

    const away = once(told, 'fault')
    proxy.leadTo(await freePort())
    proxy.cut()
    await away
    const missed = await here.revoke({ tokenId: 'jti' })
    const heardLater = once(told, 'revoked')
    proxy.leadTo(Number(port || 5432))
    expect(await heardLater).toEqual([[missed]])
    expect(there.isTokenRevoked('jti')).toBe(true)
    expect(faults).toEqual([expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' })])

    await there.close()
    await far.close()
    await near.close()
  })
})
