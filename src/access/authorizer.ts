import { LRUCache } from 'lru-cache'
import { CarillonError } from '../protocol/errors.ts'
import type { Need } from './access.ts'
import type { Action } from './action.ts'
import type { Viewer } from './viewer.ts'
import { withinTime } from './within-time.ts'

/** What a host application is asked. */
export interface AuthorizeRequest {
  readonly viewer: Viewer
  readonly action: Action
  /** A topic; a pattern where the caller wants everything under it; `*` for every topic. */
  readonly topic: string
}

/**
 * Of a host application: whether a caller may do something, which its capabilities allow. Only `true` does. What it
 * throws, but for errors of the catalogue, is logged and answered with SERVICE_UNAVAILABLE.
 */
export type Authorize = (request: AuthorizeRequest) => boolean | Promise<boolean>

/** Answers that are kept, at most. */
const MAX_ANSWERS = 100_000

/** Keeps the answers of `authorize` for a while; who asks the same meanwhile waits for the same answer. */
export class Authorizer {
  readonly #authorize: Authorize
  readonly #answers: LRUCache<string, Promise<boolean>>

  /** @param cacheMs how long an answer holds, in milliseconds; 0: until everyone has it who waits for it */
  constructor(authorize: Authorize, cacheMs: number) {
    this.#authorize = authorize
    this.#answers = new LRUCache({ max: MAX_ANSWERS, ttl: Math.max(1, cacheMs) })
  }

  isAllowed(viewer: Viewer, { action, topics }: Need): Promise<boolean> {
    const { userId, clientId, tokenId, claims } = viewer
    // Everything that the answer may depend on: two tokens of one user may say different things.
    const key = JSON.stringify([userId, clientId, tokenId, action, topics, claims])
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    const answer = this.#ask({ viewer, action, topic: topics })
    this.#answers.set(key, answer)
    answer.catch(() => {
      if (this.#answers.peek(key) === answer) this.#answers.delete(key)
    })
    return answer
  }

  /** The next question is asked. @param userId only of this user */
  forget(userId: string | undefined): void {
    const prefix = userId === undefined ? '[' : `[${JSON.stringify(userId)},`
    for (const key of [...this.#answers.keys()]) {
      if (key.startsWith(prefix)) this.#answers.delete(key)
    }
  }

  async #ask(request: AuthorizeRequest): Promise<boolean> {
    try {
      return (await withinTime(this.#authorize(request))) === true
    } catch (cause) {
      if (cause instanceof CarillonError) throw cause
      throw new CarillonError('SERVICE_UNAVAILABLE', undefined, { cause })
    }
  }
}
