import {
  type DirectiveNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql'
import { CarillonError } from '../protocol/errors.ts'
import { overLimit, type QueryLimits } from './query-limits.ts'

/** What an operation is made of, with its fragments in the place of their spreads. */
export interface QueryShape {
  /** Fields inside one another. */
  readonly depth: number
  readonly aliases: number
  readonly directives: number
}

/** A shape, and how many fragments stand inside one another in it. */
interface Shape extends QueryShape {
  readonly fragments: number
}

/** Fragments inside one another: here and in GraphQL, functions call themselves for each. */
const MAX_FRAGMENTS = 200

/**
 * Validation compares each two fields of one name that may stand beside one another. This many take it about 50 ms.
 * A document of 1500 tokens has `id` and `__typename` less than 200 times each, as tools of clients write it.
 */
const MAX_COMPARISONS = 150_000

const NOTHING: Shape = { depth: 0, aliases: 0, directives: 0, fragments: 0 }

/**
 * What `skip` and `include` leave out counts too. Types are not looked at, so that this can come before
 * validation, which takes long for some documents.
 *
 * @throws CarillonError INVALID_INPUT
 */
export function checkShape(document: DocumentNode, limits: QueryLimits): void {
  checkRepetition(document)
  const shapes = new Shapes(document)
  for (const definition of document.definitions) {
    // A fragment by itself, too: validation looks into those that no operation spreads.
    if (definition.kind === Kind.OPERATION_DEFINITION) check(shapes.ofOperation(definition), limits)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) check(shapes.ofFragment(definition), limits)
  }
}

function check({ depth, aliases, directives }: QueryShape, limits: QueryLimits): void {
  if (depth > limits.queryDepth) throw overLimit('queryDepth', limits)
  if (aliases > limits.queryAliases) throw overLimit('queryAliases', limits)
  if (directives > limits.queryDirectives) throw overLimit('queryDirectives', limits)
}

/** The shapes of one document's operations. Each fragment is gone through once, however often it is spread. */
export class Shapes {
  readonly #fragments = new Map<string, FragmentDefinitionNode>()
  readonly #known = new Map<string, Shape>()
  #open = 0

  constructor(document: DocumentNode) {
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        this.#fragments.set(definition.name.value, definition)
      }
    }
  }

  ofOperation(operation: OperationDefinitionNode): QueryShape {
    const variables = operation.variableDefinitions ?? []
    const onVariables = variables.reduce((sum, { directives }) => sum + count(directives), 0)
    const shape = this.#ofSet(operation.selectionSet)
    return plus(shape, { directives: count(operation.directives) + onVariables })
  }

  ofFragment({ name }: FragmentDefinitionNode): QueryShape {
    return this.#ofSpread(name.value)
  }

  #ofSet(set: SelectionSetNode | undefined): Shape {
    return set === undefined ? NOTHING : set.selections.map((node) => this.#of(node)).reduce(add)
  }

  #of(node: SelectionNode): Shape {
    const directives = count(node.directives)
    switch (node.kind) {
      case Kind.FIELD: {
        const aliases = node.alias === undefined ? 0 : 1
        return plus(this.#ofSet(node.selectionSet), { depth: 1, aliases, directives })
      }
      case Kind.INLINE_FRAGMENT:
        return plus(this.#ofSet(node.selectionSet), { directives })
      case Kind.FRAGMENT_SPREAD:
        return plus(this.#ofSpread(node.name.value), { directives })
      default:
        return node satisfies never
    }
  }

  #ofSpread(name: string): Shape {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const definition = this.#fragments.get(name)
    if (definition === undefined) return NOTHING // refused by validation
    this.#known.set(name, NOTHING) // inside itself; refused by validation, too
    if (++this.#open > MAX_FRAGMENTS) throw tooManyFragments()
    const below = this.#ofSet(definition.selectionSet)
    this.#open--
    const shape = plus(below, { directives: count(definition.directives), fragments: 1 })
    if (shape.fragments > MAX_FRAGMENTS) throw tooManyFragments()
    this.#known.set(name, shape)
    return shape
  }
}

/** Refuses what validation would take long for, whatever its answer. */
function checkRepetition(document: DocumentNode): void {
  const counts = new Map<string, number>()
  for (const definition of document.definitions) {
    if ('selectionSet' in definition) countLabels(definition.selectionSet, counts)
  }
  let comparisons = 0
  for (const count of counts.values()) comparisons += count * count
  if (comparisons > MAX_COMPARISONS) {
    throw new CarillonError(
      'INVALID_INPUT',
      'The document selects the same fields again and again; select each once, or in a fragment.',
      { limit: 'queryTokens' },
    )
  }
}

function countLabels(set: SelectionSetNode, counts: Map<string, number>): void {
  for (const node of set.selections) {
    if (node.kind === Kind.FIELD) {
      const label = (node.alias ?? node.name).value
      counts.set(label, (counts.get(label) ?? 0) + 1)
    }
    if ('selectionSet' in node && node.selectionSet !== undefined)
      countLabels(node.selectionSet, counts)
  }
}

function plus(shape: Shape, more: Partial<Shape>): Shape {
  return {
    depth: shape.depth + (more.depth ?? 0),
    aliases: shape.aliases + (more.aliases ?? 0),
    directives: shape.directives + (more.directives ?? 0),
    fragments: shape.fragments + (more.fragments ?? 0),
  }
}

/** Of what stands side by side. */
function add(one: Shape, other: Shape): Shape {
  return {
    depth: Math.max(one.depth, other.depth),
    aliases: one.aliases + other.aliases,
    directives: one.directives + other.directives,
    fragments: Math.max(one.fragments, other.fragments),
  }
}

function count(directives: readonly DirectiveNode[] | undefined): number {
  return directives?.length ?? 0
}

function tooManyFragments(): CarillonError {
  return new CarillonError(
    'INVALID_INPUT',
    `More than ${MAX_FRAGMENTS} fragments stand inside one another; put their fields together.`,
    { limit: 'queryDepth' },
  )
}
