import fc from 'fast-check'
import {
  extendSchema,
  type GraphQLField,
  GraphQLObjectType,
  type GraphQLScalarType,
  type GraphQLSchema,
  getOperationAST,
  parse,
  validate,
} from 'graphql'
import { expect, test } from 'vitest'
import type { TopicName } from '../../../src/core/topic-name.ts'
import { directPresenceRendering } from '../../../src/graphql/direct-rendering.ts'
import { type LiveArgs, Renderings } from '../../../src/graphql/renderings.ts'
import { schema } from '../../../src/graphql/schema.ts'
import type { PresenceEvent } from '../../../src/presence/presence-event.ts'
import type { PresenceMember } from '../../../src/presence/session.ts'
import { PRESENCE_EVENT_TYPES } from '../../../src/protocol/presence.ts'
import { executed } from '../../support/executed.ts'
import { type Draw, drawOf, oneOf } from '../../support/live-operations.ts'
import { viewer } from '../../support/viewer.ts'

/** As a host application has it that added a field to members. */
const EXTENDED = extendSchema(schema, parse('extend type PresenceMember { shout: String }'))
fieldOf(EXTENDED, 'PresenceMember', 'shout').resolve = (member) =>
  (member as PresenceMember).userId.toUpperCase()

const ANN: PresenceMember = {
  userId: 'ann',
  clientIds: ['laptop', 'phone'],
  state: { mood: 'calm' },
  joinedAt: new Date(0),
  lastSeenAt: new Date(1),
}

const instant = fc.date({ noInvalidDate: true })
const member: fc.Arbitrary<PresenceMember> = fc.record({
  userId: fc.string({ unit: 'binary' }),
  clientIds: fc.array(fc.string(), { maxLength: 3 }),
  state: fc.option(fc.jsonValue() as fc.Arbitrary<PresenceMember['state']>),
  joinedAt: instant,
  lastSeenAt: instant,
})

/** Members are in several events: each comes, perhaps says something else, and all are told of at last. */
const events = fc
  .array(fc.array(member, { maxLength: 4 }), { minLength: 1, maxLength: 3 })
  .chain((groups) =>
    fc.tuple(
      ...[...groups, groups.flat()].map((members) =>
        fc.record({
          type: fc.constantFrom(...PRESENCE_EVENT_TYPES),
          topic: fc.constant('room:1' as TopicName),
          members: fc.constant(members),
        }),
      ),
    ),
  )

function argsOf(text: string, own: GraphQLSchema = EXTENDED): LiveArgs {
  const operations = {} as LiveArgs['contextValue']['operations']
  const who = viewer({ kind: 'user', userId: 'ann', clientId: null })
  const contextValue = { viewer: who, operations }
  return { schema: own, document: parse(text), operationName: null, contextValue }
}

function compile(text: string, own: GraphQLSchema = schema) {
  const document = parse(text)
  const operation = getOperationAST(document)
  if (operation == null) throw new Error('no operation')
  return directPresenceRendering(own, document, operation)
}

function selecting(members: string, rest = 'type topic'): string {
  return `subscription { presence(topics: "room:1") { ${rest} members { ${members} } } }`
}

function eventOf(members: readonly PresenceMember[]): PresenceEvent {
  return { type: 'SYNC', topic: 'room:1' as TopicName, members }
}

/** A schema of its own, so that the test may change it as a host application would. */
function ownSchema(): GraphQLSchema {
  return extendSchema(schema, parse('extend type PresenceEvent { extra: Int }'))
}

function fieldOf(of: GraphQLSchema, name: string, field: string): GraphQLField<unknown, unknown> {
  const type = of.getType(name)
  const found = type instanceof GraphQLObjectType ? type.getFields()[field] : undefined
  if (found === undefined) throw new Error(`no field ${field}`)
  return found
}

const LEAVES = {
  PresenceEvent: ['type', 'topic', '__typename'],
  PresenceMember: ['userId', 'clientIds', 'state', 'joinedAt', 'lastSeenAt', '__typename', 'shout'],
} as const

/** Selections with the same field again and again, in fragments, below other names, and left out. */
function drawSelections(draw: Draw, type: keyof typeof LEAVES, depth: number): string {
  const selections = Array.from({ length: 1 + draw(4) }, () => {
    const condition = draw(16) === 0 ? ` @include(if: ${draw(2) === 0})` : ''
    const kind = draw(depth > 0 ? 7 : 3)
    if (kind === 3) {
      const on = draw(2) === 0 ? '' : ` on ${type}`
      return `...${on}${condition} { ${drawSelections(draw, type, depth - 1)} }`
    }
    if (kind === 4) return `...${type}${draw(2)}${condition}`
    if (kind > 4 && type === 'PresenceEvent') {
      const label = draw(3) === 0 ? 'those: ' : ''
      return `${label}members${condition} { ${drawSelections(draw, 'PresenceMember', depth - 1)} }`
    }
    const name = oneOf(draw, draw(16) === 0 ? LEAVES[type] : LEAVES[type].slice(0, 6))
    return `${draw(4) === 0 ? `its_${name}: ` : ''}${name}${condition}`
  })
  return selections.join(' ')
}

function drawDocument(draw: Draw): string {
  const fragments = (['PresenceEvent', 'PresenceMember'] as const).flatMap((type) =>
    [0, 1].map((n) => ({ name: `${type}${n}`, type, body: drawSelections(draw, type, 0) })),
  )
  const label = draw(3) === 0 ? 'who: ' : ''
  const root = `${label}presence(topics: "room:1") { ${drawSelections(draw, 'PresenceEvent', 3)} }`
  const used = fragments.filter(({ name }) => root.includes(`...${name}`))
  const texts = used.map(({ name, type, body }) => `fragment ${name} on ${type} { ${body} }`)
  return [`subscription { ${root} }`, ...texts].join('\n')
}

test('shows every event as executing the operation would', async () => {
  let direct = 0
  let all = 0
  await fc.assert(
    fc.asyncProperty(fc.gen(), events, async (g, told) => {
      const args = argsOf(drawDocument(drawOf(g, fc.nat)))
      expect(validate(args.schema, args.document)).toEqual([])
      const operation = getOperationAST(args.document)
      if (operation == null) throw new Error('no operation')
      if (directPresenceRendering(args.schema, args.document, operation) !== undefined) direct++
      all++
      const { rendering } = new Renderings(() => undefined).usePresence(args)
      for (const event of [...told, ...told]) {
        expect(String(await rendering.render(event))).toBe(await executed(args, event))
      }
    }),
    { numRuns: 500 },
  )
  expect(direct / all).toBeGreaterThan(0.3)
})

test('writes every field of a member and of an event that schema.graphql has', () => {
  const namesOf = (name: string) => {
    const type = schema.getType(name)
    return type instanceof GraphQLObjectType ? Object.keys(type.getFields()) : []
  }
  const eventNames = namesOf('PresenceEvent').filter((name) => name !== 'members')
  const memberNames = namesOf('PresenceMember')
  const text = selecting(memberNames.join(' '), eventNames.join(' '))
  const { presence } = JSON.parse(String(compile(text)?.(eventOf([ANN])))).data
  expect(Object.keys(presence)).toEqual([...eventNames, 'members'])
  expect(Object.keys(presence.members[0])).toEqual(memberNames)
})

test('writes what is selected of members in several places together', () => {
  const text = `subscription { presence(topics: "room:1") {
    members { userId } ...A members { state userId } } }
    fragment A on PresenceEvent { members { clientIds } type }`
  expect(String(compile(text)?.(eventOf([ANN])))).toBe(
    '{"data":{"presence":{"members":[{"userId":"ann","clientIds":["laptop","phone"],"state":{"mood":"calm"}}],"type":"SYNC"}}}',
  )
})

test('looks at a member once, however many events it is in', () => {
  let looks = 0
  const ann = Object.defineProperty({ ...ANN }, 'userId', {
    get: () => {
      looks++
      return 'ann'
    },
  })
  const render = compile(selecting('userId'))
  const bodies = [eventOf([ann]), eventOf([ann, { ...ANN, userId: 'bob' }])].map(
    (event) => JSON.parse(String(render?.(event))).data.presence.members,
  )
  expect(bodies).toEqual([[{ userId: 'ann' }], [{ userId: 'ann' }, { userId: 'bob' }]])
  expect(looks).toBe(1)
})

test('an instant that is none is left to GraphQL, which says what is wrong', async () => {
  const event = eventOf([ANN, { ...ANN, userId: 'bob', joinedAt: new Date(Number.NaN) }])
  const args = argsOf(selecting('userId joinedAt'))
  expect(compile(selecting('userId joinedAt'))?.(event)).toBeUndefined()
  const { rendering } = new Renderings(() => undefined).usePresence(args)
  expect(String(await rendering.render(event))).toBe(await executed(args, event))
})

test.each([
  ['a directive on a field', selecting('userId state @include(if: true)')],
  [
    'a directive on the members',
    'subscription { presence(topics: "a") { members @skip(if: false) { state } } }',
  ],
  ['a field of the host', selecting('userId shout')],
  ['messages', 'subscription { messages(topics: "a") { id } }'],
])('leaves %s to GraphQL', (_what, text) => {
  expect(compile(text, EXTENDED)).toBeUndefined()
})

test('what a host application changed is left to GraphQL', () => {
  const wrapped = ownSchema()
  fieldOf(wrapped, 'PresenceMember', 'state').resolve = () => 'redacted'
  expect(compile(selecting('userId state'), wrapped)).toBeUndefined()
  expect(compile(selecting('userId'), wrapped)).toBeDefined()
  fieldOf(wrapped, 'PresenceEvent', 'members').resolve = () => []
  expect(compile(selecting('userId'), wrapped)).toBeUndefined()
  const own = extendSchema(schema, parse('extend scalar DateTime @specifiedBy(url: "https://a.b")'))
  const scalar = own.getType('DateTime') as GraphQLScalarType
  scalar.serialize = (value) => Number(value)
  expect(compile(selecting('userId joinedAt'), own)).toBeUndefined()
})
