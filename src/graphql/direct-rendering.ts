import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  type InlineFragmentNode,
  isAbstractType,
  isLeafType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'
import type { AnyMessage } from '../core/message.ts'
import type { Body } from '../hub/rendering.ts'
import { MESSAGE_TEXTS, type MessageText } from './message-texts.ts'
import { schema as ownSchema } from './schema.ts'

/** Writes the result for a message; undefined where it has to be executed after all. */
export type DirectRendering = (message: AnyMessage) => Body | undefined

/** Fragments inside one another; what is deeper is left to GraphQL. */
const MAX_DEPTH = 50

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
  const [root, ...others] = operation.selectionSet.selections
  if (root?.kind !== Kind.FIELD || others.length > 0) return undefined
  if (hasDirectives(operation) || hasDirectives(root)) return undefined
  const type = messageTypeOf(schema, root)
  if (type === undefined || root.selectionSet === undefined) return undefined
  const parts = new Plain(schema, document, type).partsOf(root.selectionSet)
  if (parts === undefined) return undefined
  return writer(root.alias?.value ?? root.name.value, parts)
}

/** One field of the result, by the name that it has there. */
type Parts = ReadonlyMap<string, MessageText>

function writer(name: string, parts: Parts): DirectRendering {
  const fields = [...parts].map(([label, text], index) => ({
    label: `${index === 0 ? '' : ','}"${label}":`,
    text,
  }))
  const start = `{"data":{"${name}":{`
  return (message) => {
    let result = start
    for (const { label, text } of fields) {
      const value = text(message)
      if (value === undefined) return undefined
      result += label + value
    }
    return Buffer.from(`${result}}}}`)
  }
}

type Fragment = FragmentDefinitionNode | InlineFragmentNode

/** The selections of a message, if all of them are plain. */
class Plain {
  readonly #schema: GraphQLSchema
  readonly #type: GraphQLObjectType
  readonly #fragments = new Map<string, FragmentDefinitionNode>()
  readonly #spread = new Set<string>()
  readonly #parts = new Map<string, MessageText>()

  constructor(schema: GraphQLSchema, document: DocumentNode, type: GraphQLObjectType) {
    this.#schema = schema
    this.#type = type
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        this.#fragments.set(definition.name.value, definition)
      }
    }
  }

  partsOf(set: SelectionSetNode): Parts | undefined {
    return this.#collect(set, 0) ? this.#parts : undefined
  }

  /** By https://spec.graphql.org/October2021/#CollectFields(). Answers whether all of it is plain. */
  #collect({ selections }: SelectionSetNode, depth: number): boolean {
    if (depth > MAX_DEPTH) return false
    return selections.every((selection) => {
      if (hasDirectives(selection)) return false
      if (selection.kind === Kind.FIELD) return this.#addField(selection)
      if (selection.kind === Kind.INLINE_FRAGMENT) return this.#addFragment(selection, depth)
      return this.#addSpread(selection.name.value, depth)
    })
  }

  #addField({ name, alias, arguments: args }: FieldNode): boolean {
    const text = name.value === '__typename' ? this.#typeName() : this.#textOf(name.value)
    if (text === undefined || (args !== undefined && args.length > 0)) return false
    const label = alias?.value ?? name.value
    if (!this.#parts.has(label)) this.#parts.set(label, text)
    return true
  }

  #addFragment({ typeCondition, selectionSet }: Fragment, depth: number): boolean {
    const name = typeCondition?.name.value
    if (name !== undefined && !this.#isOf(name)) return true // it is not about messages
    return this.#collect(selectionSet, depth + 1)
  }

  #addSpread(name: string, depth: number): boolean {
    if (this.#spread.has(name)) return true
    this.#spread.add(name)
    const fragment = this.#fragments.get(name)
    return fragment !== undefined && !hasDirectives(fragment) && this.#addFragment(fragment, depth)
  }

  #isOf(name: string): boolean {
    const type = this.#schema.getType(name)
    if (type === this.#type) return true
    return isAbstractType(type) && this.#schema.isSubType(type, this.#type)
  }

  #typeName(): MessageText {
    const text = JSON.stringify(this.#type.name)
    return () => text
  }

  #textOf(name: string): MessageText | undefined {
    const field = this.#type.getFields()[name]
    return field !== undefined && isOwn(field) ? MESSAGE_TEXTS.get(name) : undefined
  }
}

const OWN_TYPE = ownSchema.getType('Message')
const OWN_FIELDS = isObjectType(OWN_TYPE) ? OWN_TYPE.getFields() : {}

/** The type of a message, where this is the field that answers one. */
function messageTypeOf(schema: GraphQLSchema, root: FieldNode): GraphQLObjectType | undefined {
  const field = schema.getSubscriptionType()?.getFields()[root.name.value]
  const own = ownSchema.getSubscriptionType()?.getFields()[root.name.value]
  if (field === undefined || field.resolve !== own?.resolve) return undefined
  const type = getNamedType(field.type)
  return isObjectType(type) && type.name === 'Message' ? type : undefined
}

/** Whether a host application has left a field as it was: its resolver, its type and how that is written. */
function isOwn(field: GraphQLField<unknown, unknown>): boolean {
  const own = OWN_FIELDS[field.name]
  if (own === undefined || field.resolve !== own.resolve) return false
  const [type, ownType] = [getNamedType(field.type), getNamedType(own.type)]
  const isSame = String(field.type) === String(own.type)
  return isSame && isLeafType(type) && isLeafType(ownType) && type.serialize === ownType.serialize
}

function hasDirectives({ directives }: { readonly directives?: readonly unknown[] | undefined }) {
  return directives !== undefined && directives.length > 0
}
