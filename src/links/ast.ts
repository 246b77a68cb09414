/**
 * Parsed documents, as far as they are looked at. Written down here, because `graphql` and the parser of urql share no
 * types, and so that neither is needed to run this.
 */
export interface Name {
  readonly kind: string
  readonly value: string
}

export interface Value {
  readonly kind: string
  readonly name?: Name
  readonly value?: unknown
  readonly values?: readonly Value[]
}

export interface Argument {
  readonly kind: string
  readonly name: Name
  readonly value: Value
}

export interface SelectionSet {
  readonly kind: string
  readonly selections: readonly Selection[]
}

export interface Selection {
  readonly kind: string
  readonly name?: Name
  readonly alias?: Name | undefined
  readonly arguments?: readonly Argument[] | undefined
  readonly selectionSet?: SelectionSet | undefined
}

export interface VariableDefinition {
  readonly kind: string
  readonly variable: { readonly kind: string; readonly name: Name }
  readonly defaultValue?: Value | undefined
}

export interface Definition {
  readonly kind: string
  readonly operation?: string
  readonly variableDefinitions?: readonly VariableDefinition[] | undefined
  readonly selectionSet?: SelectionSet
}

export interface Document {
  readonly kind: string
  readonly definitions: readonly Definition[]
}

export function name(value: string): Name {
  return { kind: 'Name', value }
}

export function field(fieldName: string, alias?: string, selectionSet?: SelectionSet): Selection {
  return {
    kind: 'Field',
    name: name(fieldName),
    alias: alias === undefined ? undefined : name(alias),
    selectionSet,
  }
}

export function on(type: string, ...selections: readonly Selection[]): Selection {
  const typeCondition = { kind: 'NamedType', name: name(type) }
  const fragment = { kind: 'InlineFragment', typeCondition, selectionSet: selecting(...selections) }
  return fragment
}

export function selecting(...selections: readonly Selection[]): SelectionSet {
  return { kind: 'SelectionSet', selections }
}

export function variable(value: string): Value & { readonly name: Name } {
  return { kind: 'Variable', name: name(value) }
}

/** A list of a type that may not be null inside: `[Type!]`. */
export function listType(type: string): object {
  const named = { kind: 'NamedType', name: name(type) }
  return { kind: 'ListType', type: { kind: 'NonNullType', type: named } }
}

/** The names of all variables in a part of a document. */
export function variablesIn(part: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (Array.isArray(part)) for (const one of part) variablesIn(one, found)
  else if (typeof part === 'object' && part !== null) {
    const { kind, name: own } = part as { kind?: unknown; name?: Name }
    if (kind === 'Variable' && own !== undefined) found.add(own.value)
    for (const [key, one] of Object.entries(part)) if (key !== 'loc') variablesIn(one, found)
  }
  return found
}

/** What an argument says, with these variables: enough for lists, texts, names of enums and truth values. */
export function argumentValue(value: Value, variables: Readonly<Record<string, unknown>>): unknown {
  switch (value.kind) {
    case 'Variable':
      return variables[value.name?.value ?? '']
    case 'ListValue':
      return value.values?.map((one) => argumentValue(one, variables))
    case 'NullValue':
      return null
    default:
      return value.value
  }
}
