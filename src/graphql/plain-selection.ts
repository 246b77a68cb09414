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
import { schema as ownSchema } from './schema.ts'

/** Writes a field of a value as JSON; undefined where GraphQL has to say what is wrong with it. */
export type FieldText<T> = (value: T) => string | undefined

/** Writes a value of a type as a JSON object; undefined where GraphQL has to. */
export type ObjectText<T> = (value: T) => string | undefined

/** How the fields of a type are written that are as Carillon made them. */
export interface PlainType<T> {
  readonly name: string
  /** Those without fields of their own, by their names. */
  readonly leaves: ReadonlyMap<string, FieldText<T>>
  /** Those with fields of their own: answers how they are written, of what is selected there. */
  readonly composites?: ReadonlyMap<string, (selected: Selected) => FieldText<T> | undefined>
}

/** What is selected of a value, and where that stands. */
export interface Selected {
  readonly schema: GraphQLSchema
  readonly document: DocumentNode
  readonly sets: readonly SelectionSetNode[]
}

/** The one field of a subscription, where nothing about it is special. */
export interface PlainRoot {
  /** What it is called in the result. */
  readonly label: string
  readonly selected: Selected
}

/** Fragments inside one another; what is deeper is left to GraphQL. */
const MAX_DEPTH = 50

/** The root of a subscription to values of this type, without directives; undefined for any other. */
export function plainRoot(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): (PlainRoot & { readonly type: string }) | undefined {
  const [root, ...others] = operation.selectionSet.selections
  if (root?.kind !== Kind.FIELD || others.length > 0) return undefined
  if (hasDirectives(operation) || hasDirectives(root)) return undefined
  const type = ownRootType(schema, root)
  if (type === undefined || root.selectionSet === undefined) return undefined
  const selected = { schema, document, sets: [root.selectionSet] }
  return { label: root.alias?.value ?? root.name.value, type, selected }
}

/** How values are written of which this is selected, if all of it is plain. */
export function plainText<T>(plain: PlainType<T>, selected: Selected): ObjectText<T> | undefined {
  const type = selected.schema.getType(plain.name)
  if (!isObjectType(type)) return undefined
  const texts = new Collector({ plain, type, selected }).collect()
  return texts === undefined ? undefined : writer(texts)
}

function writer<T>(texts: ReadonlyMap<string, FieldText<T>>): ObjectText<T> {
  const fields = [...texts].map(([label, text], index) => ({
    label: `${index === 0 ? '{' : ','}"${label}":`,
    text,
  }))
  return (value) => {
    // Joined, and not added up: a text that is kept is to be in one piece.
    const parts: string[] = []
    for (const { label, text } of fields) {
      const written = text(value)
      if (written === undefined) return undefined
      parts.push(label, written)
    }
    parts.push('}')
    return parts.join('')
  }
}

type Fragment = FragmentDefinitionNode | InlineFragmentNode

interface CollectorOptions<T> {
  readonly plain: PlainType<T>
  readonly type: GraphQLObjectType
  readonly selected: Selected
}

/** One field of the result, by its name in the schema, and what is selected below it. */
interface Collected {
  readonly name: string
  readonly sets: SelectionSetNode[]
}

/** The selections of a type, if all of them are plain. */
class Collector<T> {
  readonly #plain: PlainType<T>
  readonly #type: GraphQLObjectType
  readonly #selected: Selected
  readonly #fragments = new Map<string, FragmentDefinitionNode>()
  readonly #spread = new Set<string>()
  /** By the names that they have in the result. */
  readonly #fields = new Map<string, Collected>()

  constructor({ plain, type, selected }: CollectorOptions<T>) {
    this.#plain = plain
    this.#type = type
    this.#selected = selected
    for (const definition of selected.document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        this.#fragments.set(definition.name.value, definition)
      }
    }
  }

  collect(): ReadonlyMap<string, FieldText<T>> | undefined {
    if (!this.#selected.sets.every((set) => this.#collect(set, 0))) return undefined
    const texts = new Map<string, FieldText<T>>()
    for (const [label, collected] of this.#fields) {
      const text = this.#textOf(collected)
      if (text === undefined) return undefined
      texts.set(label, text)
    }
    return texts
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

  #addField({ name, alias, arguments: args, selectionSet }: FieldNode): boolean {
    if (args !== undefined && args.length > 0) return false
    const label = alias?.value ?? name.value
    const collected = this.#fields.get(label) ?? { name: name.value, sets: [] }
    this.#fields.set(label, collected)
    if (selectionSet !== undefined) collected.sets.push(selectionSet)
    return true
  }

  #addFragment({ typeCondition, selectionSet }: Fragment, depth: number): boolean {
    const name = typeCondition?.name.value
    if (name !== undefined && !this.#isOf(name)) return true // it is not about this type
    return this.#collect(selectionSet, depth + 1)
  }

  #addSpread(name: string, depth: number): boolean {
    if (this.#spread.has(name)) return true
    this.#spread.add(name)
    const fragment = this.#fragments.get(name)
    return fragment !== undefined && !hasDirectives(fragment) && this.#addFragment(fragment, depth)
  }

  #isOf(name: string): boolean {
    const type = this.#selected.schema.getType(name)
    if (type === this.#type) return true
    return isAbstractType(type) && this.#selected.schema.isSubType(type, this.#type)
  }

  #textOf({ name, sets }: Collected): FieldText<T> | undefined {
    if (name === '__typename') {
      const text = JSON.stringify(this.#type.name)
      return () => text
    }
    const field = this.#type.getFields()[name]
    if (field === undefined || !isOwn(this.#type, field)) return undefined
    if (sets.length === 0) return this.#plain.leaves.get(name)
    return this.#plain.composites?.get(name)?.({ ...this.#selected, sets })
  }
}

/** The name of the type that a subscription's field answers, where a host application has left it as it was. */
function ownRootType(schema: GraphQLSchema, root: FieldNode): string | undefined {
  const field = schema.getSubscriptionType()?.getFields()[root.name.value]
  const own = ownSchema.getSubscriptionType()?.getFields()[root.name.value]
  if (field === undefined || field.resolve !== own?.resolve) return undefined
  const type = getNamedType(field.type)
  return isObjectType(type) && type.name === String(getNamedType(own?.type)) ? type.name : undefined
}

/** Whether a host application has left a field as it was: its resolver, its type and how that is written. */
function isOwn(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): boolean {
  const ownType = ownSchema.getType(type.name)
  const own = isObjectType(ownType) ? ownType.getFields()[field.name] : undefined
  if (own === undefined || field.resolve !== own.resolve) return false
  if (String(field.type) !== String(own.type)) return false
  const [answer, ownAnswer] = [getNamedType(field.type), getNamedType(own.type)]
  if (!isLeafType(answer) || !isLeafType(ownAnswer)) return isObjectType(answer)
  return answer.serialize === ownAnswer.serialize
}

function hasDirectives({ directives }: { readonly directives?: readonly unknown[] | undefined }) {
  return directives !== undefined && directives.length > 0
}
