import fc from 'fast-check'
import { getOperationAST, getVariableValues, parse, validate } from 'graphql'
import { expect, test } from 'vitest'
import type { Viewer } from '../../../src/access/viewer.ts'
import { type LiveArgs, Renderings } from '../../../src/graphql/renderings.ts'
import { executed } from '../../support/executed.ts'
import { extendedSchema } from '../../support/extended-schema.ts'
import {
  type Draw,
  drawArgumentModel,
  drawModel,
  drawOf,
  drawStyle,
  type Model,
  oneOf,
  perturb,
  write,
} from '../../support/live-operations.ts'
import { ephemeral, message } from '../../support/messages.ts'
import { viewer } from '../../support/viewer.ts'

const ANN: Viewer = viewer({ kind: 'user', userId: 'ann', clientId: 'phone' })
const VIEWERS: readonly Viewer[] = [
  ANN,
  viewer({ kind: 'user', userId: 'ann', clientId: null }),
  viewer({ kind: 'user', userId: 'bob', clientId: 'phone' }),
  viewer({ kind: 'backend', userId: 'ann', clientId: 'phone' }),
]

const MESSAGES = [
  message({ sequence: 1, payload: '{"text":"hi"}' }),
  message({ sequence: 2, from: 'bob', to: ['ann'] }),
  ephemeral({ from: 'bob' }),
]

interface Subscriber {
  readonly text: string
  readonly variables?: Record<string, unknown>
  readonly operationName?: string | undefined
  readonly viewer?: Viewer
}

function argsOf({ text, variables = {}, operationName, viewer: who = ANN }: Subscriber): LiveArgs {
  return {
    schema: extendedSchema,
    document: parse(text),
    variableValues: variables,
    operationName: operationName ?? null,
    contextValue: { viewer: who, operations: {} as LiveArgs['contextValue']['operations'] },
  }
}

function subscription(selections: string, rest: Omit<Subscriber, 'text'> = {}): Subscriber {
  return { text: `subscription { messages(topics: "chat:1") { ${selections} } }`, ...rest }
}

/** Whether it comes as far as to be rendered. */
function isAccepted({ schema, document, operationName, variableValues }: LiveArgs): boolean {
  const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? []
  const { errors } = getVariableValues(schema, definitions, variableValues ?? {})
  return errors === undefined && validate(schema, document).length === 0
}

async function rendered(
  renderings: Renderings,
  subscriber: Subscriber,
  event = message({ sequence: 1 }),
) {
  const body = await renderings.use(argsOf(subscriber)).rendering.render(event)
  return JSON.parse(String(body))
}

function areShared(one: Subscriber, other: Subscriber): boolean {
  const renderings = new Renderings(() => undefined)
  const [first, second] = [one, other].map((each) => renderings.use(argsOf(each)).rendering)
  return first === second
}

/** Has six subscribers compared, most with the same model, and answers how many did not share. */
async function compare(draw: Draw, drawAny: (draw: Draw) => Model) {
  const model = drawAny(draw)
  const all = Array.from({ length: 6 }, () => {
    const own = draw(3) > 0 ? model : perturb(draw, model)
    return argsOf({ ...write(own, drawStyle(draw)), viewer: oneOf(draw, VIEWERS) })
  }).filter(isAccepted)
  fc.pre(all.length > 1)
  const renderings = new Renderings(() => undefined)
  const uses = all.map((args) => ({ args, use: renderings.use(args) }))
  const distinct = renderings.size
  for (const { args, use } of uses) {
    for (const event of MESSAGES) {
      const body = await use.rendering.render(event)
      expect(String(body)).toBe(await executed(args, event))
    }
    use.release()
  }
  expect(renderings.size).toBe(0)
  return { subscribers: all.length, distinct }
}

test.each([
  ['their own operation', drawModel, 200],
  ['their own values of an argument', drawArgumentModel, 300],
])('shows everyone what executing %s would', async (_what, drawAny, numRuns) => {
  let subscribers = 0
  let distinct = 0
  await fc.assert(
    fc.asyncProperty(fc.gen(), async (g) => {
      const run = await compare(drawOf(g, fc.nat), drawAny)
      subscribers += run.subscribers
      distinct += run.distinct
    }),
    { numRuns, interruptAfterTimeLimit: 10_000 },
  )
  expect(distinct).toBeLessThan(subscribers) // or nothing was compared
})

const BOB: Viewer = viewer({ kind: 'user', userId: 'bob', clientId: 'phone' })

const PLAIN = subscription('id payload')

test.each<[string, Subscriber, Subscriber]>([
  ['the topics', PLAIN, { text: 'subscription { messages(topics: ["a", "b:*"]) { id payload } }' }],
  [
    'the filter',
    PLAIN,
    {
      text: `subscription ($types: [String!]) {
        messages(topics: "chat:1", echo: false, types: $types, maxPerSecond: 5) { id payload }
      }`,
      variables: { types: ['a'] },
    },
  ],
  [
    'the name of the operation, and what else is in the document',
    PLAIN,
    {
      text: `subscription Other { messages(topics: "a") { mine } }
        subscription Live { messages(topics: "a") { id payload } }`,
      operationName: 'Live',
    },
  ],
  ['the viewer, where no field looks at it', PLAIN, { ...PLAIN, viewer: BOB }],
  ['white space and comments', PLAIN, subscription('id, # as ever\n\n payload')],
  [
    'the names of variables',
    {
      text: 'subscription ($a: Int!, $b: Boolean!) { messages(topics: "a") { echo(count: $a) id @skip(if: $b) } }',
      variables: { a: 1, b: false },
    },
    {
      text: 'subscription ($b: Int!, $a: Boolean!) { messages(topics: "a") { echo(count: $b) id @skip(if: $a) } }',
      variables: { a: false, b: 1 },
    },
  ],
  [
    'whether a value is sent or a default',
    {
      text: 'subscription ($a: Int! = 1) { messages(topics: "a") { echo(count: $a) } }',
      variables: { a: 1 },
    },
    { text: 'subscription ($a: Int! = 1) { messages(topics: "a") { echo(count: $a) } }' },
  ],
  [
    'the names of fragments',
    { text: `${subscription('...A').text} fragment A on Message { id }` },
    { text: `fragment B on Message { id } ${subscription('...B').text}` },
  ],
])('subscribers that differ in %s share a rendering', (_what, one, other) => {
  expect(areShared(one, other)).toBe(true)
  expect(areShared(other, one)).toBe(true)
})

function conditional(name: 'include' | 'skip', value: boolean): Subscriber {
  const text = `subscription ($v: Boolean!) { messages(topics: "a") { id payload @${name}(if: $v) } }`
  return { text, variables: { v: value } }
}

function argument(type: string, value: unknown, argument = 'json: { a: $v }'): Subscriber {
  const text = `subscription ($v: ${type}) { messages(topics: "a") { echo(${argument}) } }`
  return { text, variables: value === undefined ? {} : { v: value } }
}

test.each<[string, Subscriber, Subscriber]>([
  ['an alias', PLAIN, subscription('key: id payload')],
  ['the alias of the root', PLAIN, { text: 'subscription { live: messages(topics: "a") { id } }' }],
  ['the order of fields', PLAIN, subscription('payload id')],
  ['one more field', PLAIN, subscription('id payload type')],
  ['@include of a variable', conditional('include', true), conditional('include', false)],
  ['@skip and @include', conditional('include', true), conditional('skip', true)],
  ['an argument', subscription('echo(count: 1)'), subscription('echo(count: 2)')],
  ['the name of an argument', subscription('echo(text: "a")'), subscription('echo(tags: "a")')],
  ['the value of a variable', argument('Int', 1), argument('Int', 2)],
  ['the type of a variable in JSON', argument('Int', 1), argument('ID', 1)],
  ['a variable without a value and null', argument('Int', undefined), argument('Int', null)],
  [
    'a variable without a value and one whose default is called undefined',
    argument('Tone', undefined, 'tone: $v'),
    argument('Tone = undefined', undefined, 'tone: $v'),
  ],
  [
    'a variable and an enum value',
    subscription('echo(tone: LOUD)'),
    argument('Tone', 'LOUD', 'tone: $v'),
  ],
  ['the type of a fragment', subscription('... on Message { id }'), subscription('... { id }')],
  [
    'the viewer, where a field looks at it',
    subscription('mine'),
    subscription('mine', { viewer: BOB }),
  ],
  [
    'the viewer, where a field below a fragment and an interface looks at it',
    subscription('thing { twin { ... on Poll { mine } } }'),
    subscription('thing { twin { ... on Poll { mine } } }', { viewer: BOB }),
  ],
  [
    'the client of a viewer, where a field looks at it',
    subscription('mine'),
    subscription('mine', { viewer: { ...ANN, clientId: null } }),
  ],
])('subscribers that differ in %s share nothing', (_what, one, other) => {
  expect(areShared(one, one)).toBe(true)
  expect(areShared(one, other)).toBe(false)
})

test('an error that quotes a literal names the variables of the subscriber itself', async () => {
  const quoting = (name: string): Subscriber => ({
    text: `subscription ($${name}: Int = 1) {
      messages(topics: "a") { echo(shape: { weight: $${name} }) }
    }`,
    variables: { [name]: null },
  })
  const renderings = new Renderings(() => undefined)
  await rendered(renderings, quoting('first'))
  const { errors } = await rendered(renderings, quoting('second'))
  expect(errors[0].message).toContain('$second')
})

test('a field that says it is shared and looks at the viewer shows nobody', async () => {
  const faults: unknown[] = []
  const renderings = new Renderings((fault) => faults.push(fault))
  const spying = subscription('spy id')
  const expected = { messages: { spy: null, id: message({ sequence: 1 }).id } }
  for (const viewer of [ANN, BOB]) {
    const { data, errors } = await rendered(renderings, { ...spying, viewer })
    expect(data).toEqual(expected)
    expect(errors).toMatchObject([{ path: ['messages', 'spy'], extensions: { code: 'INTERNAL' } }])
  }
  expect(faults).toHaveLength(2)
})

test.each(['bigint', 'laterShared bigint', 'bigintLater'])(
  'what has no text in JSON is an error of the rendering: %s',
  async (fields) => {
    const faults: unknown[] = []
    const renderings = new Renderings((fault) => faults.push(fault))
    const { errors } = await rendered(renderings, subscription(fields))
    expect(errors).toMatchObject([{ extensions: { code: 'INTERNAL', retryable: false } }])
    expect(faults).toMatchObject([{ message: expect.stringContaining('BigInt') }])
  },
)

test('a rendering is kept until the last of its users releases it', () => {
  const renderings = new Renderings(() => undefined)
  const [first, second, other] = [PLAIN, PLAIN, subscription('id')].map((each) =>
    renderings.use(argsOf(each)),
  )
  expect(renderings.size).toBe(2)
  first?.release()
  first?.release() // counts once
  expect(renderings.size).toBe(2)
  expect(renderings.use(argsOf(PLAIN)).rendering).toBe(second?.rendering)
  other?.release()
  expect(renderings.size).toBe(1)
})

test('fragments that double at each of many levels are gone through once each', async () => {
  const fragments = Array.from({ length: 40 }, (_, n) => {
    return `fragment F${n} on Message { self { ...F${n + 1} } again: self { ...F${n + 1} } }`
  })
  const text = [subscription('...F0').text, ...fragments, 'fragment F40 on Message { mine }']
  const args = argsOf({ text: text.join('\n') })
  const renderings = new Renderings(() => undefined)
  renderings.use(args)
  renderings.use(args)
  expect(renderings.size).toBe(1)
})

test('a chain of fragments, however long, does not exhaust the stack', () => {
  const length = 10_000
  const fragments = Array.from({ length }, (_, n) => `fragment F${n} on Message { ...F${n + 1} }`)
  const text = [subscription('...F0').text, ...fragments, `fragment F${length} on Message { mine }`]
  const args = argsOf({ text: text.join('\n') })
  const renderings = new Renderings(() => undefined)
  renderings.use(args)
  renderings.use({ ...args, contextValue: { ...args.contextValue, viewer: BOB } })
  expect(renderings.size).toBe(2)
})
