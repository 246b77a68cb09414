import { Places } from '../client/places.ts'
import type { Gap } from '../protocol/errors.ts'
import { argumentValue, type Document } from './ast.ts'
import { ADDED, type FollowedDocument, followedDocument } from './followed-document.ts'
import { type Fields, type PlacedIn, readWireEvent, withoutAdded } from './wire-event.ts'

/** What to do with a result. */
export type Taken =
  /** Hand it on, as the application has selected it. */
  | { readonly kind: 'told'; readonly data: Fields }
  /** Nothing: it came before, or says nothing that the application has asked for. */
  | { readonly kind: 'nothing' }
  /** Subscribe again: messages before it have not come. */
  | { readonly kind: 'hole' }
  /** End it: these messages cannot be delivered, and the application wants that to be an error. */
  | { readonly kind: 'gap'; readonly gap: Gap }

/** Arguments that leave messages out, so that their sequences say nothing about what is missing. */
const FILTERS = ['consumer', 'from', 'types', 'maxPerSecond']

/** One subscription of an application, to `messages` or `events`: what is sent for it, and where it stands. */
export class Follower {
  /** What to send, in place of what the application wrote. */
  readonly document: Document
  /** What to send with it: `after` is where it stands whenever it is looked at, so also when a transport sends it again. */
  readonly variables: Fields
  readonly #followed: FollowedDocument
  readonly #places: Places
  readonly #skipsGaps: boolean
  /** Whether a message that does not follow the one before shows that some are missing. */
  #isDense: boolean
  /** The topic of which the log is read again, until its next message. */
  #readAgain: string | undefined

  /** Undefined for operations that are no subscription to messages or events. */
  static of(document: Document, variables: Fields = {}): Follower | undefined {
    const followed = followedDocument(document)
    return followed && new Follower(followed, variables)
  }

  private constructor(followed: FollowedDocument, variables: Fields) {
    const given = { ...followed.defaults, ...variables }
    const args = new Map(
      followed.args.map(({ name, value }) => [name.value, argumentValue(value, given)]),
    )
    const places = new Places(cursorsIn(args.get('after')))
    this.document = followed.document
    this.variables = Object.defineProperty({ ...variables }, followed.afterVariable, {
      enumerable: true,
      get: () => places.after(),
    })
    this.#followed = followed
    this.#places = places
    this.#skipsGaps = followed.kind === 'events' || args.get('onGap') === 'SKIP'
    this.#isDense = args.get('echo') !== false && !FILTERS.some((one) => args.get(one) != null)
  }

  take(data: Fields): Taken {
    const event = data[this.#followed.key] as Fields | null // as the document says
    if (event == null) return { kind: 'told', data }
    const said = readWireEvent(event)
    switch (said.kind) {
      case 'message': {
        const { at } = said
        if (this.#isBehindHole(at)) return { kind: 'hole' }
        return this.#places.take(at) ? this.#told(data, event) : { kind: 'nothing' }
      }
      case 'caughtUp':
        this.#places.reach(said.topic, said.cursor)
        return this.#unlessMessages(data, event)
      case 'snapshot':
        this.#places.reach(said.at.topic, said.at.cursor, said.at.sequence ?? 0)
        return this.#told(data, event)
      case 'gap': {
        const gap = this.#places.pass(said.gap)
        if (gap === undefined) return { kind: 'nothing' }
        return this.#skipsGaps ? this.#unlessMessages(data, event) : { kind: 'gap', gap }
      }
      case 'unknown':
        return this.#unlessMessages(data, event)
      default:
        return said satisfies never
    }
  }

  /**
   * The server leaves out nothing but what the subscriber may not see, and what has expired; what is between it and here might.
   * So the log is read once. Where it has the hole, too, the topics are such that numbers show nothing, and are not looked at any more.
   */
  #isBehindHole(at: PlacedIn): boolean {
    const isBehind = this.#isDense && this.#places.leavesOut(at)
    const isReadAgain = this.#readAgain === at.topic
    if (isReadAgain) this.#readAgain = undefined
    if (isBehind && isReadAgain) this.#isDense = false
    else if (isBehind) this.#readAgain = at.topic
    return isBehind && !isReadAgain
  }

  #told(data: Fields, event: Fields): Taken {
    const { kind, key } = this.#followed
    const own = kind === 'messages' ? event[ADDED.data] : withoutAdded(event)
    return { kind: 'told', data: { ...data, [key]: own } }
  }

  #unlessMessages(data: Fields, event: Fields): Taken {
    return this.#followed.kind === 'messages' ? { kind: 'nothing' } : this.#told(data, event)
  }
}

/** One value coerces to a list. */
function cursorsIn(after: unknown): readonly string[] {
  const all: readonly unknown[] = Array.isArray(after) ? after : [after]
  return all.filter((one) => typeof one === 'string')
}
