import fc from 'fast-check'

/** A selection on a type of one kind, to be written with named fragments or with inline ones. */
export type Picked =
  | { readonly kind: 'field'; readonly head: string; readonly below: readonly Picked[] }
  | { readonly kind: 'fragment'; readonly type: string; readonly below: readonly Picked[] }

interface Field {
  readonly heads: readonly string[]
  readonly type: string
}

/** Some of the schema: by type, what can be selected there, and of which type that is. */
const FIELDS: Readonly<Record<string, readonly Field[]>> = {
  Query: [
    { heads: ['topics', 'topics(first: 3)', 'few: topics(first: $n)'], type: 'TopicConnection' },
    { heads: ['topic(name: "a")', 'other: topic(name: "b")'], type: 'Topic' },
    { heads: ['nodes(ids: ["a", "b"])', 'named: nodes(ids: $ids)'], type: 'Node' },
    { heads: ['viewer', 'viewer @skip(if: true)'], type: 'Viewer' },
  ],
  TopicConnection: [
    { heads: ['nodes', 'again: nodes'], type: 'Topic' },
    { heads: ['edges'], type: 'TopicEdge' },
    { heads: ['pageInfo'], type: 'PageInfo' },
  ],
  TopicEdge: [{ heads: ['node'], type: 'Topic' }],
  Topic: [
    { heads: ['messages(last: 2)', 'messages', 'm: messages(first: $n)'], type: 'History' },
    { heads: ['presence'], type: 'PresenceMember' },
  ],
  Node: [],
  PresenceMember: [],
  PageInfo: [],
  Viewer: [],
  History: [
    { heads: ['edges { __typename }', 'pageInfo { __typename }', 'headSequence'], type: '' },
  ],
}

/** Selections of a type, down to some depth; each has `__typename` at least. */
export function pickedOf(type: string, depth: number): fc.Arbitrary<readonly Picked[]> {
  const fields = (FIELDS[type] ?? []).map(({ heads, type: below }) =>
    fc.record({
      kind: fc.constant('field' as const),
      head: fc.constantFrom(...heads),
      below: below === '' || depth === 0 ? fc.constant([]) : pickedOf(below, depth - 1),
    }),
  )
  const fragment = fc.record({
    kind: fc.constant('fragment' as const),
    type: fc.constant(nameOf(type)),
    below: depth === 0 ? fc.constant([]) : pickedOf(type, depth - 1),
  })
  return fc.array(fc.oneof(...(depth === 0 ? [] : fields), fragment), { maxLength: 3 })
}

/** With each fragment where it is used, as an inline one. */
export function inlined(picked: readonly Picked[]): string {
  return `query ($n: Int, $ids: [ID!]!) ${written(picked, ({ type, below }) => {
    return `... on ${type} ${written(below, inlineText)}`
  })}`
}

type OneFragment = Extract<Picked, { readonly kind: 'fragment' }>

function inlineText({ type, below }: OneFragment): string {
  return `... on ${type} ${written(below, inlineText)}`
}

/** With definitions of fragments; those that are alike are defined once, and spread as often as they come. */
export function withFragments(picked: readonly Picked[]): string {
  const names = new Map<string, string>()
  const spread = ({ type, below }: OneFragment): string => {
    const body = `on ${type} ${written(below, spread)}`
    const name = names.get(body) ?? `F${names.size}`
    names.set(body, name)
    return `...${name}`
  }
  const operation = `query ($n: Int, $ids: [ID!]!) ${written(picked, spread)}`
  return [operation, ...[...names].map(([body, name]) => `fragment ${name} ${body}`)].join('\n')
}

function written(picked: readonly Picked[], ofFragment: (fragment: OneFragment) => string): string {
  const texts = picked.map((one) => {
    if (one.kind === 'fragment') return ofFragment(one)
    const isWhole = one.head.endsWith('}') || one.head === 'headSequence'
    return isWhole ? one.head : `${one.head} ${written(one.below, ofFragment)}`
  })
  return `{ ${['__typename', ...texts].join(' ')} }`
}

function nameOf(type: string): string {
  return type === 'History' ? 'MessageConnection' : type
}
