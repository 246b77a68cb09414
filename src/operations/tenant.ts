import type { Viewer } from '../access/viewer.ts'
import { type Cursor, encodeCursor, readCursor } from '../core/cursor.ts'
import { Snapshot } from '../core/snapshot.ts'
import type { TopicName } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Middleware } from './middleware.ts'
import type { TopicsRequest } from './operation.ts'

/** The cohort of those who stand above tenants; no tenant is called so. */
const ABOVE = '*'

const TENANT = /^[A-Za-z0-9_\-.]{1,64}$/

/** The members of requests that name topics. */
interface Topical {
  readonly topic?: string
  readonly topics?: readonly string[]
  readonly after?: string | readonly string[] | null | undefined
  readonly before?: string | null | undefined
  readonly cursor?: string | null | undefined
}

/**
 * Gives each tenant topics of its own: `acme:` stands in front of the topics of `acme`, which its users neither
 * write nor see, in topics, cursors and ids.
 *
 * Capabilities, and what `authorize` is asked, are about the names that users know.
 * @param tenantOf the tenant of a caller: 1 to 64 characters out of `A-Z a-z 0-9 _ - .`; null for one that stands
 * above tenants, and uses the whole names; anything else is refused with PERMISSION_DENIED
 */
export function tenant(tenantOf: (viewer: Viewer) => string | null | undefined): {
  readonly middleware: Middleware
  readonly cohort: (viewer: Viewer) => string
} {
  return {
    cohort: (viewer) => {
      const name = tenantOf(viewer)
      return name === null ? ABOVE : (name ?? '')
    },
    middleware: async (context, next) => {
      const name = tenantOf(context.viewer)
      if (name === null) return next()
      if (name === undefined || !TENANT.test(name)) throw new CarillonError('PERMISSION_DENIED')
      const prefix = `${name}:`
      // Each kind of request keeps its form: only names are made longer.
      if (context.operation === 'deliver') {
        context.request = without(prefix, context.request)
        return next() // not shortened twice: a tenant may have topics of its own name
      }
      if (context.operation === 'topics') context.request = listed(prefix, context.request)
      else Object.assign(context, { request: behind(prefix, context.request as Topical) })
      try {
        return without(prefix, await next())
      } catch (error) {
        throw hidden(prefix, error)
      }
    },
  }
}

/** What a request is about, with the prefix in front. */
function behind<Request extends Topical>(prefix: string, request: Request): Request {
  const { topic, topics, after, before, cursor } = request
  const add = (name: unknown) => (typeof name === 'string' ? prefix + name : name)
  const move = (text: unknown) => moved(text, (name) => prefix + name)
  return {
    ...request,
    ...(topic === undefined ? {} : { topic: add(topic) }),
    ...(Array.isArray(topics) ? { topics: topics.map(add) } : {}),
    ...(after == null ? {} : { after: Array.isArray(after) ? after.map(move) : move(after) }),
    ...(before == null ? {} : { before: move(before) }),
    ...(cursor == null ? {} : { cursor: move(cursor) }),
  }
}

/** A list of topics, of those that begin with the prefix. */
function listed(prefix: string, request: TopicsRequest): TopicsRequest {
  const within = request.within && {
    names: request.within.names.map((name) => (prefix + name) as TopicName),
    prefixes: request.within.prefixes.map((start) => prefix + start),
  }
  return { ...behind(prefix, request), prefix: prefix + (request.prefix ?? ''), within }
}

/** What is no cursor stays what it is: it is refused behind this. */
function moved(text: unknown, rename: (name: string) => string): unknown {
  const position = typeof text === 'string' ? readCursor(text) : undefined
  if (position === undefined) return text
  return encodeCursor({ ...position, topic: rename(position.topic) as TopicName })
}

/** An answer, or a part of one, in the names that users know. */
function without<Answer>(prefix: string, answer: Answer): Answer {
  return strip(prefix, answer) as Answer
}

function strip(prefix: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (Array.isArray(value)) return value.map((part) => strip(prefix, part))
  if (isMessage(value)) return value.with({ topic: shortened(prefix, value.topic) })
  if (value instanceof Snapshot) {
    return new Snapshot({
      ...value,
      state: value.stateText,
      topic: shortened(prefix, value.topic),
    })
  }
  // The name of what is in a topic, such as a consumer, is not the topic's.
  const nameKey = 'topic' in value ? 'topic' : 'name'
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      key === nameKey && typeof part === 'string'
        ? shortened(prefix, part)
        : stripMember(prefix, key, part),
    ]),
  )
}

function stripMember(prefix: string, key: string, part: unknown): unknown {
  if (key === 'cursor' && typeof part === 'string') {
    return moved(part, (name) => shortened(prefix, name)) as Cursor
  }
  // What users say of themselves is theirs.
  return key === 'members' || key === 'state' ? part : strip(prefix, part)
}

interface Renamable {
  readonly topic: TopicName
  with(changes: { readonly topic: TopicName }): unknown
}

function isMessage(value: object): value is Renamable {
  return 'topic' in value && 'with' in value && typeof value.with === 'function'
}

function shortened(prefix: string, name: string): TopicName {
  return (name.startsWith(prefix) ? name.slice(prefix.length) : name) as TopicName
}

/** Errors name topics, too. */
function hidden(prefix: string, error: unknown): unknown {
  if (!(error instanceof CarillonError)) return error
  const { code, message, gap, cause, retryAfterMs, limit } = error
  return new CarillonError(code, message.replaceAll(prefix, ''), {
    ...(cause === undefined ? {} : { cause }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(limit === undefined ? {} : { limit }),
    ...(gap === undefined ? {} : { gap: { ...gap, topic: shortened(prefix, gap.topic) } }),
  })
}
