import fc from 'fast-check'
import { type ExecutionResult, execute, parse, validate } from 'graphql'
import { expect, test } from 'vitest'
import type { Viewer } from '../../../src/access/viewer.ts'
import type { AnyMessage } from '../../../src/core/message.ts'
import { formatResult } from '../../../src/graphql/errors.ts'
import { type LiveArgs, Renderings } from '../../../src/graphql/renderings.ts'
import { extendedSchema } from '../../support/extended-schema.ts'
import {
  drawModel,
  drawOf,
  drawStyle,
  oneOf,
  perturb,
  write,
} from '../../support/live-operations.ts'
import { ephemeral, message } from '../../support/messages.ts'

const ANN: Viewer = { kind: 'user', userId: 'ann', clientId: 'phone' }
const VIEWERS: readonly Viewer[] = [
  ANN,
  { kind: 'user', userId: 'ann', clientId: null },
  { kind: 'user', userId: 'bob', clientId: 'phone' },
  { kind: 'backend', userId: 'ann', clientId: 'phone' },
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

function argsOf({ text, variables = {}, operationName, viewer = ANN }: Subscriber): LiveArgs {
  return {
    schema: extendedSchema,
    document: parse(text),
    variableValues: variables,
    operationName: operationName ?? null,
    contextValue: { viewer, services: {} as LiveArgs['contextValue']['services'] },
  }
}

function subscription(selections: string, rest: Omit<Subscriber, 'text'> = {}): Subscriber {
  return { text: `subscription { messages(topics: "chat:1") { ${selections} } }`, ...rest }
}

/** What GraphQL answers by itself, as it is sent. */
async function executed(args: LiveArgs, rootValue: AnyMessage): Promise<string> {
  const result: ExecutionResult = await execute({ ...args, rootValue })
  const formatted = formatResult(result, () => undefined)
  if (formatted === undefined) return JSON.stringify(result)
  const errors = formatted.errors?.map(({ locations: _, ...error }) => error)
  return JSON.stringify({ ...formatted, errors })
}

async function rendered(renderings: Renderings, subscriber: Subscriber, event = MESSAGES[0]) {
  if (event === undefined) throw new Error('There is no message.')
  const body = await renderings.use(argsOf(subscriber)).rendering.render(event)
  return JSON.parse(String(body))
}

function areShared(one: Subscriber, other: Subscriber): boolean {
  const renderings = new Renderings(() => undefined)
  const [first, second] = [one, other].map((each) => renderings.use(argsOf(each)).rendering)
  return first === second
}

test('shows every message to everyone as executing their own operation would', async () => {
  let subscribers = 0
  let distinct = 0
  await fc.assert(
    fc.asyncProperty(fc.gen(), async (g) => {
      const draw = drawOf(g, fc.nat)
      const model = drawModel(draw)
      const all = Array.from({ length: 6 }, () => {
        const own = draw(3) > 0 ? model : perturb(draw, model)
        return argsOf({ ...write(own, drawStyle(draw)), viewer: oneOf(draw, VIEWERS) })
      }).filter(({ schema, document }) => validate(schema, document).length === 0)
      fc.pre(all.length > 1)
      const renderings = new Renderings(() => undefined)
      const uses = all.map((args) => ({ args, use: renderings.use(args) }))
      subscribers += all.length
      distinct += renderings.size
      for (const { args, use } of uses) {
        for (const event of MESSAGES) {
          const body = await use.rendering.render(event)
          expect(String(body)).toBe(await executed(args, event))
        }
        use.release()
      }
      expect(renderings.size).toBe(0)
    }),
    { numRuns: 300 },
  )
  expect(distinct).toBeLessThan(0.8 * subscribers)
})
