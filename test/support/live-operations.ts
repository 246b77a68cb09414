import type fc from 'fast-check'

/** Draws a number from 0 up to below this. */
export type Draw = (below: number) => number

/** An operation in the abstract: how it is written down is another matter. */
export interface Model {
  readonly rootAlias: string | undefined
  readonly root: Selection[]
  readonly fragments: Fragment[]
}

interface Fragment {
  readonly on: string
  readonly selections: Selection[]
}

type Selection =
  | {
      readonly kind: 'field'
      name: string
      alias: boolean
      args: Argument[]
      conditions: Condition[]
      readonly selections: Selection[]
    }
  | {
      readonly kind: 'inline'
      readonly on: string | undefined
      conditions: Condition[]
      readonly selections: Selection[]
    }
  | { readonly kind: 'spread'; readonly fragment: number; conditions: Condition[] }

interface Argument {
  readonly name: string
  readonly type: string
  how: How
  value: Value
}

interface Condition {
  readonly name: 'include' | 'skip'
  how: How
  value: boolean
}

/** Where a value stands: in the document, with the variables, as a default, or one in another. */
type How = (typeof HOWS)[number]
const HOWS = ['literal', 'variable', 'default', 'nested'] as const

/** A value of an argument, of which GraphQL and JSON have different texts. */
type Value =
  | null
  | boolean
  | number
  | string
  | Enum
  | Nested
  | readonly Value[]
  | { readonly [key: string]: Value }

class Enum {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** A part of a value that may stand in a variable of this type. */
class Nested {
  readonly type: string
  readonly value: Value
  readonly fallback: Value | undefined
  constructor(type: string, value: Value, fallback?: Value) {
    this.type = type
    this.value = value
    this.fallback = fallback
  }
}

const LOUD = new Enum('LOUD')

/** The arguments of the fields that have any, with values that are worth telling apart. */
const ARGUMENTS: Readonly<
  Record<string, readonly (readonly [string, string, readonly Value[]])[]>
> = {
  echo: [
    ['text', 'String', ['a', 'b$c', '$', null, 'undefined']],
    ['count', 'Int!', [1, 2]],
    ['tone', 'Tone', [LOUD, new Enum('QUIET'), new Enum('undefined'), null]],
    ['tags', '[String]', [['a'], 'a', [null, 'a'], [new Nested('String', 'a'), 'b']]],
    [
      'shape',
      'Shape',
      [
        { size: 1 },
        { size: new Nested('Int', 1) },
        { tone: new Nested('Tone', LOUD), tags: 'x' },
        { next: { tags: new Nested('[String!]', 'x') }, weight: 4 },
        { weight: new Nested('Int', null, 1) },
      ],
    ],
    [
      'json',
      'JSON',
      [
        { a: 1 },
        [1, '$'],
        { a: new Nested('Int', 1) },
        { a: new Nested('[Int]', 1) },
        { a: new Nested('ID', 1) },
        [new Nested('JSON', [1]), new Nested('String', '$"')],
      ],
    ],
  ],
  width: [['unit', 'Int!', [1, 2]]],
}

interface Shown {
  readonly leaves: readonly string[]
  /** Fields with selections of their own, and the type of these. */
  readonly parents: readonly (readonly [string, string])[]
  readonly conditions: readonly string[]
}

const THING = { leaves: ['label', '__typename'], parents: [['twin', 'Thing']] } as const

const TYPES: Readonly<Record<string, Shown>> = {
  Message: {
    leaves: [
      ...['id', 'topic', 'sequence', 'cursor', 'type', 'payload', 'metadata', 'to', 'publishedAt'],
      ...['__typename', 'shout', 'laterShared', 'echo', 'echo', 'echo', 'echo', 'sometimes'],
      ...['sometimesRefused', 'sometimesRequired', 'mine', 'mineLater'],
    ],
    parents: [
      ['self', 'Message'],
      ['thing', 'Thing'],
      ['things', 'Thing'],
      ['attachment', 'Attachment'],
    ],
    conditions: ['Message', 'Node'],
  },
  Node: { leaves: ['id', '__typename'], parents: [], conditions: ['Node', 'Message'] },
  Thing: { ...THING, conditions: ['Thing', 'Photo', 'Poll', 'Attachment'] },
  Photo: { ...THING, leaves: [...THING.leaves, 'width'], conditions: ['Photo', 'Thing'] },
  Poll: { ...THING, leaves: [...THING.leaves, 'votes', 'mine'], conditions: ['Poll', 'Thing'] },
  Attachment: {
    leaves: ['__typename'],
    parents: [],
    conditions: ['Attachment', 'Photo', 'Poll', 'Thing'],
  },
}

/** A generator of fast-check as a plain function of bounds. */
export function drawOf(g: fc.GeneratorValue, nat: typeof fc.nat): Draw {
  return (below) => g(nat, { max: below - 1 })
}

export function oneOf<T>(draw: Draw, values: readonly T[]): T {
  return values[draw(values.length)] as T
}

export function drawModel(draw: Draw): Model {
  const fragments: Fragment[] = []
  const count = draw(4)
  // A fragment spreads only those drawn before it.
  for (let n = 0; n < count; n++) {
    const on = oneOf(draw, ['Message', 'Message', 'Node', 'Thing', 'Poll'])
    fragments.push({ on, selections: drawSelections(draw, on, fragments, 1) })
  }
  const root = drawSelections(draw, 'Message', fragments, 3)
  return { rootAlias: draw(3) === 0 ? 'live' : undefined, root, fragments }
}

/** An operation with little else but one argument: another one is often nearly the same. */
export function drawArgumentModel(draw: Draw): Model {
  const [name, type, values] = oneOf(draw, ARGUMENTS.echo ?? [])
  const how = oneOf(draw, ['variable', 'default', 'nested', 'nested', 'nested'] as const)
  const argument: Argument = { name, type, how, value: oneOf(draw, values) }
  const conditions = draw(8) === 0 ? [drawCondition(draw)] : []
  const rest = { alias: true, conditions, selections: [] }
  const root: Selection[] = [{ kind: 'field', name: 'echo', args: [argument], ...rest }]
  return { rootAlias: undefined, root, fragments: [] }
}

function drawSelections(draw: Draw, type: string, fragments: Fragment[], depth: number) {
  return Array.from({ length: 1 + draw(3) }, () => drawSelection(draw, type, fragments, depth))
}

function drawSelection(draw: Draw, type: string, fragments: Fragment[], depth: number): Selection {
  const shown = TYPES[type]
  if (shown === undefined) throw new Error(`There is no type ${type}.`)
  const conditions = draw(4) === 0 ? [drawCondition(draw)] : []
  const kind = draw(6)
  if (kind === 0 && depth > 0) {
    const on = draw(3) === 0 ? undefined : oneOf(draw, shown.conditions)
    const selections = drawSelections(draw, on ?? type, fragments, depth - 1)
    return { kind: 'inline', on, conditions, selections }
  }
  const fitting = fragments.flatMap(({ on }, n) => (shown.conditions.includes(on) ? [n] : []))
  if (kind <= 2 && fitting.length > 0) {
    return { kind: 'spread', fragment: oneOf(draw, fitting), conditions }
  }
  const alias = draw(4) === 0
  if (kind === 3 && depth > 0 && shown.parents.length > 0) {
    const [name, below] = oneOf(draw, shown.parents)
    const selections = drawSelections(draw, below, fragments, depth - 1)
    return { kind: 'field', name, alias, args: [], conditions, selections }
  }
  const name = oneOf(draw, shown.leaves)
  return { kind: 'field', name, alias, args: drawArguments(draw, name), conditions, selections: [] }
}

function drawArguments(draw: Draw, field: string): Argument[] {
  return (ARGUMENTS[field] ?? []).flatMap(([name, type, values]) =>
    draw(3) === 0 ? [{ name, type, how: oneOf(draw, HOWS), value: oneOf(draw, values) }] : [],
  )
}

function drawCondition(draw: Draw): Condition {
  const name = draw(2) === 0 ? 'include' : 'skip'
  return { name, how: oneOf(draw, HOWS), value: draw(2) === 0 }
}

/** The same but for one small thing, here or there. */
export function perturb(draw: Draw, model: Model): Model {
  const changed = copy(model)
  const sets = [changed.root, ...changed.fragments.map(({ selections }) => selections)]
  for (const set of sets) {
    for (const one of set) if (one.kind !== 'spread') sets.push(one.selections)
  }
  const set = oneOf(
    draw,
    sets.filter(({ length }) => length > 0),
  )
  const index = draw(set.length)
  const selection = set[index]
  if (selection === undefined) return changed
  if (selection.kind === 'field' && draw(2) === 0) perturbField(draw, selection)
  else if (selection.conditions[0] !== undefined && draw(2) === 0) {
    selection.conditions[0].value = !selection.conditions[0].value
  } else if (draw(2) === 0) set.push(...set.splice(index, 1))
  else set.push(selection)
  return changed
}

function perturbField(draw: Draw, field: Extract<Selection, { kind: 'field' }>): void {
  if (field.args.length === 0) field.alias = !field.alias
  for (const argument of field.args) {
    const known = (ARGUMENTS[field.name] ?? []).find(([name]) => name === argument.name)
    if (draw(2) === 0) argument.value = oneOf(draw, known?.[2] ?? [argument.value])
    else argument.how = oneOf(draw, HOWS)
  }
}

/** As deep as models are; values are never changed. */
function copy(model: Model): Model {
  const selections = (all: readonly Selection[]): Selection[] =>
    all.map((one) => {
      const conditions = one.conditions.map((condition) => ({ ...condition }))
      if (one.kind === 'spread') return { ...one, conditions }
      const below = selections(one.selections)
      if (one.kind === 'inline') return { ...one, conditions, selections: below }
      return { ...one, conditions, args: one.args.map((arg) => ({ ...arg })), selections: below }
    })
  const fragments = model.fragments.map(({ on, selections: all }) => ({
    on,
    selections: selections(all),
  }))
  return { ...model, root: selections(model.root), fragments }
}

/** How someone writes a model down: all of them mean the same. */
export interface Style {
  /** In front of the names of variables. */
  readonly variable: string
  /** In front of the names of fragments. */
  readonly fragment: string
  readonly operation: string | undefined
  /** Where values stand; undefined for as the model says. */
  readonly how: How | undefined
  readonly topics: 'literal' | 'variable'
  /** The root field stands in a fragment. */
  readonly rootInFragment: boolean
  /** The document has another operation. */
  readonly hasOther: boolean
  readonly filter: string
}

export function drawStyle(draw: Draw): Style {
  const hasOther = draw(3) === 0
  return {
    variable: oneOf(draw, ['v', 'v', 'w']),
    fragment: oneOf(draw, ['F', 'F', 'G']),
    operation: hasOther ? 'Live' : oneOf(draw, [undefined, 'Live', 'Feed']),
    how: draw(3) > 0 ? undefined : oneOf(draw, HOWS),
    topics: oneOf(draw, ['literal', 'variable']),
    rootInFragment: draw(4) === 0,
    hasOther,
    filter: oneOf(draw, ['', ', echo: false', ', from: ["ann"]', ', types: "message"']),
  }
}

export interface WrittenOperation {
  readonly text: string
  readonly variables: Record<string, unknown>
  readonly operationName: string | undefined
}

export function write(model: Model, style: Style): WrittenOperation {
  return new Writer(model, style).write()
}

class Writer {
  readonly #model: Model
  readonly #style: Style
  readonly #definitions = new Set<string>()
  /** The names of variables by what they are. */
  readonly #names = new Map<string, string>()
  readonly #variables: Record<string, unknown> = {}
  readonly #spread = new Set<number>()

  constructor(model: Model, style: Style) {
    this.#model = model
    this.#style = style
  }

  write(): WrittenOperation {
    const { rootAlias, root } = this.#model
    const { operation, topics, rootInFragment, hasOther, filter } = this.#style
    const names = topics === 'literal' ? '"chat:1"' : '$topics'
    const label = rootAlias === undefined ? 'messages' : `${rootAlias}: messages`
    const field = `${label}(topics: ${names}${filter}) ${this.#set(root)}`
    const fragments = this.#fragments()
    if (topics === 'variable') {
      this.#definitions.add('$topics: [TopicPattern!]!')
      this.#variables.topics = 'chat:2'
    }
    const definitions = [...this.#definitions].join(', ')
    const header = `subscription ${operation ?? ''}${definitions === '' ? '' : `(${definitions})`}`
    const texts = rootInFragment
      ? [`${header} { ...Root }`, `fragment Root on Subscription { ${field} }`]
      : [`${header} { ${field} }`]
    if (hasOther) texts.unshift('subscription Other { messages(topics: "other") { mine } }')
    const text = [...texts, ...fragments].join('\n')
    return { text, variables: this.#variables, operationName: operation }
  }

  /** Those that are spread: GraphQL refuses others. */
  #fragments(): string[] {
    const texts: string[] = []
    for (const n of this.#spread) {
      const fragment = this.#model.fragments[n]
      if (fragment === undefined) continue
      const name = `${this.#style.fragment}${n}`
      texts.push(`fragment ${name} on ${fragment.on} ${this.#set(fragment.selections)}`)
    }
    return texts
  }

  #set(selections: readonly Selection[]): string {
    return `{ ${selections.map((one) => this.#selection(one)).join(' ')} }`
  }

  #selection(one: Selection): string {
    const conditions = one.conditions
      .map(({ name, how, value }) => ` @${name}(if: ${this.#value('Boolean!', how, value)})`)
      .join('')
    switch (one.kind) {
      case 'field': {
        const args = one.args.map(({ name, type, how, value }) => {
          return `${name}: ${this.#value(type, how, value)}`
        })
        const written = args.length === 0 ? '' : `(${args.join(', ')})`
        const label = labelOf(one)
        const below = one.selections.length === 0 ? '' : ` ${this.#set(one.selections)}`
        return `${label}${one.name}${written}${conditions}${below}`
      }
      case 'inline':
        return `...${one.on === undefined ? '' : ` on ${one.on}`}${conditions} ${this.#set(one.selections)}`
      case 'spread':
        this.#spread.add(one.fragment)
        return `...${this.#style.fragment}${one.fragment}${conditions}`
      default:
        return one satisfies never
    }
  }

  #value(type: string, drawn: How, value: Value): string {
    const how = this.#style.how ?? drawn
    switch (how) {
      case 'literal':
        return literal(value)
      case 'nested':
        return literal(value, (nested) => this.#nested(nested))
      case 'variable':
        return this.#variable(type, value)
      case 'default':
        return this.#variable(type, undefined, value)
      default:
        return how satisfies never
    }
  }

  #nested({ type, value, fallback }: Nested): string {
    return this.#variable(type, value, fallback)
  }

  #variable(type: string, value: Value | undefined, fallback?: Value): string {
    const initial = fallback === undefined ? '' : ` = ${literal(fallback)}`
    const key = `${type}${initial} ${JSON.stringify(json(value))}`
    const name = this.#names.get(key) ?? `${this.#style.variable}${this.#names.size}`
    this.#names.set(key, name)
    this.#definitions.add(`$${name}: ${type}${initial}`)
    if (value !== undefined) this.#variables[name] = json(value)
    return `$${name}`
  }
}

/** The same for the same arguments only, or GraphQL refuses the two. */
function labelOf({ name, alias, args }: Extract<Selection, { kind: 'field' }>): string {
  if (args.length === 0) return alias ? `${name}_: ` : ''
  const values = args.map((argument) => [argument.name, json(argument.value)])
  return `${name}_${hash(JSON.stringify([alias, values]))}: `
}

/** A short name of a text. */
function hash(text: string): string {
  let sum = 7
  for (const letter of text) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003
  return String(sum)
}

/** As GraphQL writes it. */
function literal(value: Value, nested?: (value: Nested) => string): string {
  if (value instanceof Nested) return nested?.(value) ?? literal(value.value)
  if (value instanceof Enum) return value.name
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, nested)).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).map(([key, item]) => `${key}: ${literal(item, nested)}`)
  return `{${fields.join(', ')}}`
}

/** As JSON writes it. */
function json(value: Value | undefined): unknown {
  if (value instanceof Nested) return json(value.value)
  if (value instanceof Enum) return value.name
  if (Array.isArray(value)) return value.map(json)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, json(item)]))
}
