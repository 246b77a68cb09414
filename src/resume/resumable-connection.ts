import { createHash } from 'node:crypto'
import type { Places } from '../core/resume.ts'
import type { Resumable, ResumePoint } from '../hub/resume-point.ts'
import { HeldOperation } from './held-operation.ts'
import type { ResumeKey } from './resume-store.ts'
import type { Resumptions } from './resumptions.ts'

export interface ResumableClient {
  readonly userId: string
  readonly clientId: string
  /** Sends a Ping of graphql-transport-ws behind all that has been sent; the client answers with its payload. */
  readonly ping: (payload: Readonly<Record<string, unknown>>) => void
}

/** What a ping carries, so that its answer is known. */
const FIELD = 'carillon'

/**
 * The subscriptions of one connection. Messages keep their order on it, and the client answers a Ping after it has
 * handed what came before to the application: the Pong proves that it has got that.
 */
export class ResumableConnection {
  readonly #client: ResumableClient
  readonly #all: Resumptions
  readonly #operations = new Map<string, HeldOperation>()
  #pings = 0
  /** What the open ping carries. */
  #open: number | undefined
  #isLost = false

  constructor(client: ResumableClient, all: Resumptions) {
    this.#client = client
    this.#all = all
  }

  /** For an operation that the client begins with this document. */
  point(operationId: string, document: string): ResumePoint {
    const { userId, clientId } = this.#client
    const key: ResumeKey = { userId, clientId, operationId }
    const digestOf = (request: string) =>
      createHash('sha256')
        .update(JSON.stringify([document, request]))
        .digest('base64url')
    const isLost = () => this.#isLost
    return {
      get isLost() {
        return isLost()
      },
      find: async (request): Promise<Places | undefined> => {
        const record = await this.#all.store.find(key)
        return record?.digest === digestOf(request) ? record.places : undefined
      },
      hold: (request, subscription) => this.#hold(key, digestOf(request), subscription),
    }
  }

  /** Asks how far the client is, where it has been sent anything since it last said so. */
  ask(): void {
    if (this.#open !== undefined) return // one is under way, or the client does not answer
    const ahead = [...this.#operations.values()].filter(({ isAhead }) => isAhead)
    if (ahead.length === 0) return
    for (const operation of ahead) operation.ask()
    this.#open = ++this.#pings
    this.#client.ping({ [FIELD]: this.#open })
  }

  /** The client has answered a ping, ours or another. */
  hear(payload: Readonly<Record<string, unknown>> | undefined): void {
    if (this.#open === undefined || payload?.[FIELD] !== this.#open) return
    this.#open = undefined
    for (const operation of this.#operations.values()) operation.prove()
    this.#all.save(this.#operations.values())
  }

  /** Everything that is certain, to be put or kept again. */
  operations(): Iterable<HeldOperation> {
    return this.#operations.values()
  }

  /** The client or the server has ended an operation: who brings its id again begins anew. */
  end(operationId: string): void {
    const operation = this.#operations.get(operationId)
    this.#operations.delete(operationId)
    if (operation !== undefined && !this.#isLost) this.#all.forget(operation)
  }

  /** The connection is gone: what is certain is kept for the client to come back. */
  lose(): Promise<void> {
    this.#isLost = true
    this.#all.remove(this)
    for (const operation of this.#operations.values()) operation.settle()
    return this.#all.saveLast(this.#operations.values())
  }

  async #hold(key: ResumeKey, digest: string, subscription: Resumable): Promise<void> {
    if (this.#isLost || subscription.isClosed) return
    const operation = new HeldOperation(key, digest, subscription)
    this.#operations.set(key.operationId, operation)
    await this.#all.put(operation)
  }
}
