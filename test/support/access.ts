import { Access, type AccessParts } from '../../src/access/access.ts'
import { type CapabilityGrant, parseCapabilities } from '../../src/access/capabilities.ts'
import type { Guarded } from '../../src/access/live-access.ts'
import { BACKEND, type Viewer } from '../../src/access/viewer.ts'
import type { CarillonError } from '../../src/protocol/errors.ts'

/** An access for which nobody is revoked, but for those in the set. */
export function accessOf(parts: Partial<AccessParts> = {}, revoked = new Set<string>()): Access {
  return new Access({
    revocations: { isRevoked: ({ userId }) => revoked.has(userId) },
    authorizer: undefined,
    clientsPublish: true,
    ...parts,
  })
}

/** A user who may do this, and what else is said. */
export function userWith(can: readonly CapabilityGrant[], more: Partial<Viewer> = {}): Viewer {
  const capabilities = parseCapabilities(can, 'ann')
  return { ...BACKEND, kind: 'user', userId: 'ann', capabilities, ...more }
}

/** Something that is open until it fails. */
export class FakeGuarded implements Guarded {
  readonly failures: string[] = []
  readonly #callbacks: (() => void)[] = []

  fail({ code }: CarillonError): void {
    this.failures.push(code)
    this.close()
  }

  onClosed(callback: () => void): void {
    this.#callbacks.push(callback)
  }

  close(): void {
    for (const callback of this.#callbacks) callback()
  }
}
