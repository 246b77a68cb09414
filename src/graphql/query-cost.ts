import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
  type VariableDefinitionNode,
} from 'graphql'
import { DEFAULT_PAGE } from '../log/history.ts'

export type Variables = Readonly<Record<string, unknown>>

/** A cost as a function of the entries of the page around: `once + each × entries`. */
interface Cost {
  readonly once: number
  readonly each: number
}

const FREE: Cost = { once: 0, each: 0 }

/** The arguments that say how many entries a page has. */
const PAGE_ARGUMENTS = ['first', 'last']

export interface Costed {
  readonly schema: GraphQLSchema
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  readonly variables: Variables
}

export interface OperationCost {
  readonly cost: number
  /** Whether another cost may come of other variables. */
  readonly dependsOnVariables: boolean
}

/**
 * What an operation may load, of a document that is valid or is refused by validation: 1 for each object, those of a list as often as its page has
 * entries, or its argument has. What `skip` and `include` leave out counts too, and of several types that an
 * object may be of, all. Takes as long as the document is, however often its fragments are spread.
 */
export function costOf(costed: Costed): OperationCost {
  return new CostCounter(costed).count()
}

class CostCounter {
  readonly #costed: Costed
  readonly #fragments = new Map<string, FragmentDefinitionNode>()
  readonly #definitions = new Map<string, VariableDefinitionNode>()
  readonly #known = new Map<string, Cost>()
  #dependsOnVariables = false

  constructor(costed: Costed) {
    this.#costed = costed
    for (const definition of costed.document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        this.#fragments.set(definition.name.value, definition)
      }
    }
    for (const definition of costed.operation.variableDefinitions ?? []) {
      this.#definitions.set(definition.variable.name.value, definition)
    }
  }

  count(): OperationCost {
    const { schema, operation } = this.#costed
    const { once, each } = this.#ofSet(
      operation.selectionSet,
      schema.getRootType(operation.operation) ?? undefined,
    )
    return { cost: once + each, dependsOnVariables: this.#dependsOnVariables }
  }

  #ofSet(set: SelectionSetNode | undefined, parent: GraphQLCompositeType | undefined): Cost {
    if (set === undefined || parent === undefined) return FREE
    return set.selections.map((selection) => this.#of(selection, parent)).reduce(add)
  }

  #of(selection: SelectionNode, parent: GraphQLCompositeType): Cost {
    switch (selection.kind) {
      case Kind.FIELD:
        return this.#ofField(selection, parent)
      case Kind.INLINE_FRAGMENT: {
        const condition = selection.typeCondition?.name.value
        const type = condition === undefined ? parent : this.#compositeType(condition)
        return this.#ofSet(selection.selectionSet, type)
      }
      case Kind.FRAGMENT_SPREAD:
        return this.#ofSpread(selection.name.value)
      default:
        return selection satisfies never
    }
  }

  #ofSpread(name: string): Cost {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const definition = this.#fragments.get(name)
    if (definition === undefined) return FREE // refused by validation
    this.#known.set(name, FREE) // inside itself; refused by validation, too
    const type = this.#compositeType(definition.typeCondition.name.value)
    const cost = this.#ofSet(definition.selectionSet, type)
    this.#known.set(name, cost)
    return cost
  }

  #ofField(node: FieldNode, parent: GraphQLCompositeType): Cost {
    // What introspection answers is there already: its fields are of no type's own.
    const field = 'getFields' in parent ? parent.getFields()[node.name.value] : undefined
    const type = field === undefined ? undefined : getNamedType(field.type)
    if (field === undefined || !isCompositeType(type)) return FREE
    const below = this.#ofSet(node.selectionSet, type)
    const page = this.#pageOf(field, node)
    if (isList(field.type)) {
      const one = 1 + below.once + below.each
      const entries = page ?? this.#lengthOf(field, node)
      return entries === undefined ? { once: 0, each: one } : { once: one * entries, each: 0 }
    }
    if (page === undefined || !isConnection(type)) return { ...below, once: 1 + below.once }
    return { once: 1 + below.once + below.each * page, each: 0 }
  }

  /** How many entries a field's page has at most; undefined for one without pages. */
  #pageOf(field: GraphQLField<unknown, unknown>, { arguments: given }: FieldNode) {
    if (!field.args.some(({ name }) => PAGE_ARGUMENTS.includes(name))) return undefined
    const sizes = (given ?? [])
      .filter(({ name }) => PAGE_ARGUMENTS.includes(name.value))
      .map(({ value }) => this.#value(value))
      .filter((value): value is number => Number.isSafeInteger(value))
    return sizes.length === 0 ? DEFAULT_PAGE : Math.max(1, ...sizes)
  }

  /** How many values the longest list has that is given to a field; undefined for one that takes no lists. */
  #lengthOf(field: GraphQLField<unknown, unknown>, { arguments: given }: FieldNode) {
    const lists = field.args.filter(({ type }) => isListType(getNullableType(type)))
    if (lists.length === 0) return undefined
    const lengths = (given ?? [])
      .filter(({ name }) => lists.some((list) => list.name === name.value))
      .map(({ value }) => this.#value(value))
      .map((value) => (Array.isArray(value) ? value.length : 1))
    return Math.max(1, ...lengths)
  }

  /** Numbers as they are, and lists by their length; a variable as the client gave it. */
  #value(node: ValueNode): unknown {
    if (node.kind === Kind.INT) return Number(node.value)
    if (node.kind === Kind.LIST) return node.values
    if (node.kind !== Kind.VARIABLE) return undefined
    this.#dependsOnVariables = true
    const name = node.name.value
    const { variables } = this.#costed
    if (Object.hasOwn(variables, name) && variables[name] !== undefined) return variables[name]
    const initial = this.#definitions.get(name)?.defaultValue
    return initial === undefined ? undefined : this.#value(initial)
  }

  #compositeType(name: string): GraphQLCompositeType | undefined {
    const type = this.#costed.schema.getType(name)
    return isCompositeType(type) ? type : undefined
  }
}

function add(one: Cost, other: Cost): Cost {
  return { once: one.once + other.once, each: one.each + other.each }
}

function isList(type: GraphQLOutputType): boolean {
  return isListType(getNullableType(type))
}

/** By https://relay.dev/graphql/connections.htm */
function isConnection(type: GraphQLCompositeType): boolean {
  return isObjectType(type) && Object.hasOwn(type.getFields(), 'pageInfo')
}
