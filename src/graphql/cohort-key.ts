import { createHash } from 'node:crypto'
import {
  type ArgumentNode,
  type DirectiveNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  print,
  type SelectionNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
  visit,
} from 'graphql'
import type { Viewer } from '../access/viewer.ts'
import { isShared } from './extensions.ts'

export interface KeyedOperation {
  readonly schema: GraphQLSchema
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  /** As the client sent them. */
  readonly variables: Readonly<Record<string, unknown>>
  readonly viewer: Viewer
}

export interface CohortKey {
  /** Equal for two subscriptions only if every message looks the same to both. */
  readonly text: string
  /** Whether a selected field may depend on the viewer. */
  readonly isPerViewer: boolean
}

/**
 * The key of what the rendering of a message depends on, and of nothing else: the selection set with its
 * fragments, its directives, the values of the variables used in it, and the viewer, only where a
 * selected field may depend on the viewer. The arguments of the subscription's own field decide
 * which messages one gets, not how they look.
 */
export function cohortKey(keyed: KeyedOperation): CohortKey {
  return new KeyWriter(keyed).write()
}

class KeyWriter {
  readonly #keyed: KeyedOperation
  readonly #fragments = new Map<string, FragmentDefinitionNode>()
  /** Digests, so that fragments that spread others many times do not grow the key. */
  readonly #digests = new Map<string, string>()
  readonly #definitions = new Map<string, VariableDefinitionNode>()
  #isPerViewer = false

  constructor(keyed: KeyedOperation) {
    this.#keyed = keyed
    for (const definition of keyed.document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        this.#fragments.set(definition.name.value, definition)
      }
    }
    for (const definition of keyed.operation.variableDefinitions ?? []) {
      this.#definitions.set(definition.variable.name.value, definition)
    }
  }

  write(): CohortKey {
    const { schema, operation, viewer } = this.#keyed
    this.#digestFragments(operation)
    const root = schema.getSubscriptionType() ?? undefined
    const selections = this.#selectionSet(operation.selectionSet, root)
    const parts = [this.#directives(operation.directives), selections]
    if (this.#isPerViewer) parts.push(textOf(viewer))
    return { text: parts.join('\n'), isPerViewer: this.#isPerViewer }
  }

  #selectionSet(set: SelectionSetNode, parent: GraphQLCompositeType | undefined): string {
    return `{${set.selections.map((selection) => this.#selection(selection, parent)).join(' ')}}`
  }

  #selection(selection: SelectionNode, parent: GraphQLCompositeType | undefined): string {
    const directives = this.#directives(selection.directives)
    switch (selection.kind) {
      case Kind.FIELD: {
        const { name, alias, arguments: args, selectionSet } = selection
        const isRoot = parent === this.#keyed.schema.getSubscriptionType()
        const type = this.#typeOf(name.value, parent, isRoot)
        const label = alias === undefined ? name.value : `${alias.value}:${name.value}`
        const below = selectionSet === undefined ? '' : this.#selectionSet(selectionSet, type)
        return label + (isRoot ? '' : this.#arguments(args)) + directives + below
      }
      case Kind.INLINE_FRAGMENT: {
        const condition = selection.typeCondition?.name.value
        const type = condition === undefined ? parent : this.#compositeType(condition)
        return `...on ${condition ?? ''}${directives}${this.#selectionSet(selection.selectionSet, type)}`
      }
      case Kind.FRAGMENT_SPREAD:
        return `...${this.#fragment(selection.name.value)}${directives}`
      default:
        return selection satisfies never
    }
  }

  /** From the bottom up: a chain of fragments may be longer than the stack is deep. */
  #digestFragments(operation: OperationDefinitionNode): void {
    const open = this.#undigested(operation)
    for (let name = open.at(-1); name !== undefined; name = open.at(-1)) {
      const definition = this.#fragments.get(name)
      const below = definition === undefined ? [] : this.#undigested(definition)
      if (below.length > 0) open.push(...below)
      else {
        this.#fragment(name)
        open.pop()
      }
    }
  }

  /** The fragments that are spread right here and have no digest yet. */
  #undigested(node: OperationDefinitionNode | FragmentDefinitionNode): string[] {
    const names = new Set<string>()
    visit(node, { FragmentSpread: ({ name }) => void names.add(name.value) })
    return [...names].filter((name) => this.#fragments.has(name) && !this.#digests.has(name))
  }

  #fragment(name: string): string {
    const known = this.#digests.get(name)
    if (known !== undefined) return known
    const definition = this.#fragments.get(name)
    if (definition === undefined) return name // refused by validation
    const condition = definition.typeCondition.name.value
    const body = this.#selectionSet(definition.selectionSet, this.#compositeType(condition))
    const text = `on ${condition}${this.#directives(definition.directives)}${body}`
    const digest = createHash('sha256').update(text).digest('base64')
    this.#digests.set(name, digest)
    return digest
  }

  #directives(directives: readonly DirectiveNode[] | undefined): string {
    return (directives ?? [])
      .map(({ name, arguments: args }) => `@${name.value}${this.#arguments(args)}`)
      .join('')
  }

  #arguments(args: readonly ArgumentNode[] | undefined): string {
    if (args === undefined || args.length === 0) return ''
    return `(${args.map(({ name, value }) => `${name.value}:${this.#value(value)}`).join(' ')})`
  }

  #value(node: ArgumentNode['value']): string {
    if (node.kind === Kind.VARIABLE) return `$${this.#variable(node.name.value)}`
    // With the names of the variables in it: errors show a literal as it stands in the document.
    const parts = [print(node)]
    visit(node, { Variable: ({ name }) => void parts.push(this.#variable(name.value)) })
    return parts.join('$')
  }

  /** Its value, as the client sent it, and its type: inside JSON, a 1 may be a text or a list to it. */
  #variable(name: string): string {
    const { variables } = this.#keyed
    const definition = this.#definitions.get(name)
    if (definition === undefined) return name // refused by validation
    const { type, defaultValue } = definition
    const initial = defaultValue === undefined ? '' : print(defaultValue)
    const value = Object.hasOwn(variables, name) ? JSON.stringify(variables[name]) : initial
    return `${print(type)}=${value}`
  }

  #compositeType(name: string): GraphQLCompositeType | undefined {
    const type = this.#keyed.schema.getType(name)
    return isCompositeType(type) ? type : undefined
  }

  /** The type below a field; takes note where the field may depend on the viewer. */
  #typeOf(
    name: string,
    parent: GraphQLCompositeType | undefined,
    isRoot: boolean,
  ): GraphQLCompositeType | undefined {
    if (name === '__typename' || parent === undefined) return undefined
    const { schema } = this.#keyed
    const objects = isAbstractType(parent) ? schema.getPossibleTypes(parent) : [parent]
    const fields = objects.flatMap((type) => type.getFields()[name] ?? [])
    if (!isRoot && !fields.every(isShared)) this.#isPerViewer = true
    const declared =
      isObjectType(parent) || !('getFields' in parent) ? fields[0] : parent.getFields()[name]
    const type = declared === undefined ? undefined : getNamedType(declared.type)
    return isCompositeType(type) ? type : undefined
  }
}

/** Everything of a viewer that a field can look at. */
function textOf({ kind, userId, clientId, capabilities, expiresAt, tokenId, claims }: Viewer) {
  return JSON.stringify([kind, userId, clientId, capabilities.list, expiresAt, tokenId, claims])
}
