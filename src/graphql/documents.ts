import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import { LIMIT_NAMES, type LimitName } from '../access/limits.ts'
import { CarillonError } from '../protocol/errors.ts'
import { type DocumentRequest, textOf } from './document-request.ts'
import { checkSize } from './document-size.ts'
import { toGraphQLError } from './errors.ts'
import type { PersistedOperations } from './persisted-operations.ts'
import { costOf, type Variables } from './query-cost.ts'
import { DEFAULT_QUERY_LIMITS, overLimit, type QueryLimits } from './query-limits.ts'
import { checkShape } from './query-shape.ts'
import { withoutSuggestion } from './suggestions.ts'

/** A document that can be executed, or why it cannot. */
export type PreparedDocument = ValidDocument | InvalidDocument

export interface ValidDocument {
  readonly kind: 'valid'
  /** What was parsed: the same for all who execute the document, whether they sent it or its id. */
  readonly text: string
  readonly document: DocumentNode
}

export interface InvalidDocument {
  readonly kind: 'invalid'
  readonly errors: readonly GraphQLError[]
}

export interface DocumentsOptions {
  readonly limits?: QueryLimits
  /** Whether clients may ask for the schema. Where not, errors suggest no names of it either. */
  readonly introspection?: boolean
  /** Where there are some, nothing else is executed. */
  readonly operations?: PersistedOperations | undefined
  /** Told of each refusal by a limit. */
  readonly onLimit?: (name: LimitName) => void
}

/** What is kept of a text. */
type Kept = (ValidDocument & { readonly costs: Costs }) | InvalidDocument

/** The operations whose cost depends on their variables; what the others cost is within the limit. */
type Costs = ReadonlySet<OperationDefinitionNode>

/** Texts that are kept parsed and validated, at most, in number and in characters. */
const MAX_DOCUMENTS = 1_000
const MAX_CHARACTERS = 8 * 1024 * 1024

/** Finds, parses and validates documents, each text once, for every transport. */
export class Documents {
  readonly #schema: GraphQLSchema
  readonly #limits: QueryLimits
  readonly #introspection: boolean
  readonly #operations: PersistedOperations | undefined
  readonly #onLimit: (name: LimitName) => void
  readonly #kept = new LRUCache<string, Kept>({
    max: MAX_DOCUMENTS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_kept, text) => text.length + 1,
  })

  /** @throws PersistedOperationsError where one of the operations cannot be executed */
  constructor(schema: GraphQLSchema, options: DocumentsOptions = {}) {
    this.#schema = schema
    this.#limits = options.limits ?? DEFAULT_QUERY_LIMITS
    this.#introspection = options.introspection ?? true
    this.#operations = options.operations
    this.#onLimit = options.onLimit ?? (() => {})
    if (this.#operations !== undefined) this.#checkAll(this.#operations)
  }

  /** The document that a client wants executed, held to the limits with its variables. */
  find(request: DocumentRequest): PreparedDocument {
    const prepared = this.#find(request)
    if (prepared.kind === 'invalid') {
      for (const { originalError } of prepared.errors) this.#countLimit(originalError)
    }
    return prepared
  }

  #find(request: DocumentRequest): PreparedDocument {
    try {
      const kept = this.#keptOf(this.#textOf(request))
      if (kept.kind === 'invalid') return kept
      const operation = getOperationAST(kept.document, request.operationName)
      if (operation == null) return kept // which GraphQL says when it is to execute it
      const variables = request.variables ?? {}
      if (kept.costs.has(operation)) this.#checkCost(kept.document, operation, variables)
      return this.#introspection ? kept : this.#withoutNames(kept, operation, variables)
    } catch (error) {
      return invalid(error)
    }
  }

  #textOf(request: DocumentRequest): string {
    // Looking a text up reads it: not one that is too long.
    if (this.#operations !== undefined && typeof request.query === 'string') {
      checkSize(request.query, this.#limits)
    }
    return textOf(request, this.#operations)
  }

  #keptOf(text: string): Kept {
    const known = this.#kept.get(text)
    if (known !== undefined) return known
    const kept = this.#prepare(text)
    this.#kept.set(text, kept)
    return kept
  }

  #prepare(text: string): Kept {
    try {
      checkSize(text, this.#limits)
      const document = parse(text)
      checkShape(document, this.#limits)
      const costs = this.#costsOf(document)
      const errors = this.#validate(document)
      if (errors.length > 0) return { kind: 'invalid', errors }
      return { kind: 'valid', text, document, costs }
    } catch (error) {
      return invalid(error)
    }
  }

  #validate(document: DocumentNode): readonly GraphQLError[] {
    const hideSuggestions = !this.#introspection
    const rules = hideSuggestions
      ? [...specifiedRules, NoSchemaIntrospectionCustomRule]
      : specifiedRules
    const options = { hideSuggestions, maxErrors: MAX_VALIDATION_ERRORS }
    const errors = validate(this.#schema, document, rules, options)
    return hideSuggestions ? errors.map(withoutSuggestion) : errors
  }

  /** Before validation, which takes longer. */
  #costsOf(document: DocumentNode): Costs {
    const dependent = new Set<OperationDefinitionNode>()
    for (const operation of document.definitions) {
      if (operation.kind !== Kind.OPERATION_DEFINITION) continue
      const costed = { schema: this.#schema, document, operation, variables: {} }
      const { cost, dependsOnVariables } = costOf(costed)
      if (dependsOnVariables) dependent.add(operation)
      else if (cost > this.#limits.queryCost) throw overLimit('queryCost', this.#limits)
    }
    return dependent
  }

  #checkCost(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Variables,
  ): void {
    const { cost } = costOf({ schema: this.#schema, document, operation, variables })
    if (cost > this.#limits.queryCost) throw overLimit('queryCost', this.#limits)
  }

  /** Executing says what is wrong with variables, and suggests names: so that is said here. */
  #withoutNames(
    valid: ValidDocument,
    { variableDefinitions }: OperationDefinitionNode,
    variables: Variables,
  ): PreparedDocument {
    const options = { maxErrors: MAX_VARIABLE_ERRORS, hideSuggestions: true }
    const { errors } = getVariableValues(
      this.#schema,
      variableDefinitions ?? [],
      variables,
      options,
    )
    return errors === undefined ? valid : { kind: 'invalid', errors }
  }

  #checkAll(operations: PersistedOperations): void {
    for (const operation of operations.list) {
      const kept = this.#keptOf(operation.text)
      if (kept.kind === 'invalid') {
        throw operations.faultOf(operation, 'cannot be executed', kept.errors[0])
      }
    }
  }

  #countLimit(error: Error | undefined): void {
    const name = error instanceof CarillonError ? error.limit : undefined
    const limit = LIMIT_NAMES.find((known) => known === name)
    if (limit !== undefined) this.#onLimit(limit)
  }
}

/** Each looks for its line from the beginning of the text, which may be very long. */
const MAX_VALIDATION_ERRORS = 10

/** As many as executing an operation tells. */
const MAX_VARIABLE_ERRORS = 50

/** What is said of an error that is for clients. */
function invalid(error: unknown): InvalidDocument {
  const told = toGraphQLError(error)
  if (told instanceof GraphQLError) return { kind: 'invalid', errors: [told] }
  throw error
}
