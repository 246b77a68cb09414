import type { DocumentNode, GraphQLSchema, OperationDefinitionNode } from 'graphql'
import type { AnyMessage } from '../core/message.ts'
import type { Body } from '../hub/rendering.ts'
import type { PresenceEvent } from '../presence/presence-event.ts'
import type { PresenceMember } from '../presence/session.ts'
import { MESSAGE_TEXTS } from './message-texts.ts'
import {
  type FieldText,
  type ObjectText,
  type PlainType,
  plainRoot,
  plainText,
  type Selected,
} from './plain-selection.ts'
import { PRESENCE_EVENT_TEXTS, PRESENCE_MEMBER_TEXTS } from './presence-texts.ts'

/** Writes the result for a message; undefined where it has to be executed after all. */
export type DirectRendering<T = AnyMessage> = (value: T) => Body | undefined

const MESSAGE: PlainType<AnyMessage> = { name: 'Message', leaves: MESSAGE_TEXTS }

const PRESENCE_MEMBER: PlainType<PresenceMember> = {
  name: 'PresenceMember',
  leaves: PRESENCE_MEMBER_TEXTS,
}

const PRESENCE_EVENT: PlainType<PresenceEvent> = {
  name: 'PresenceEvent',
  leaves: PRESENCE_EVENT_TEXTS,
  composites: new Map([['members', membersText]]),
}

/**
 * Writes results without executing the operation, for the plain ones: those that select fields of a message
 * which are as Carillon made them, without directives. Undefined for all others. Many cohorts of one topic cost
 * little in this way, and the payload goes out as the text that came in.
 */
export function directRendering(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): DirectRendering | undefined {
  return rendering(MESSAGE, schema, { document, operation })
}

/**
 * The same for events of presence. A member is written once for as long as someone has it: all who come later are
 * told of all who are there.
 */
export function directPresenceRendering(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): DirectRendering<PresenceEvent> | undefined {
  return rendering(PRESENCE_EVENT, schema, { document, operation })
}

interface Operation {
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
}

function rendering<T>(
  plain: PlainType<T>,
  schema: GraphQLSchema,
  { document, operation }: Operation,
): DirectRendering<T> | undefined {
  const root = plainRoot(schema, document, operation)
  if (root?.type !== plain.name) return undefined
  const text = plainText(plain, root.selected)
  if (text === undefined) return undefined
  const start = `{"data":{"${root.label}":`
  return (value) => {
    const written = text(value)
    return written === undefined ? undefined : Buffer.from(`${start}${written}}}`)
  }
}

function membersText(selected: Selected): FieldText<PresenceEvent> | undefined {
  const text = plainText(PRESENCE_MEMBER, selected)
  return text === undefined ? undefined : new MemberTexts(text).list
}

/** The texts of members, for as long as there are the members. */
class MemberTexts {
  readonly #write: ObjectText<PresenceMember>
  readonly #texts = new WeakMap<PresenceMember, string>()

  constructor(write: ObjectText<PresenceMember>) {
    this.#write = write
  }

  readonly list = ({ members }: PresenceEvent): string | undefined => {
    const texts: string[] = []
    for (const member of members) {
      const text = this.#textOf(member)
      if (text === undefined) return undefined
      texts.push(text)
    }
    return `[${texts.join()}]`
  }

  #textOf(member: PresenceMember): string | undefined {
    const text = this.#texts.get(member) ?? this.#write(member)
    if (text !== undefined) this.#texts.set(member, text)
    return text
  }
}
