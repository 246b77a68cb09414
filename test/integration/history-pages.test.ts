import { type Carillon, createCarillon, type HistoryRequest, type Page } from 'carillon'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createDatabase,
  describeWithPostgresql,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'

interface Published {
  readonly from: string
  readonly type: string
  readonly to: readonly string[] | undefined
}

interface Reading {
  readonly reader: string
  readonly from: readonly string[] | undefined
  readonly types: readonly string[] | undefined
  readonly steps: readonly { readonly size: number }[]
}

/** Everything about a message that decides who sees it where. */
const anyMessage: fc.Arbitrary<Published> = fc.record({
  from: fc.constantFrom('ann', 'bob', 'cid'),
  type: fc.constantFrom('a', 'b'),
  to: fc.constantFrom(undefined, undefined, ['bob'], ['cid'], ['ann', 'cid']),
})

const anyRequest: fc.Arbitrary<Reading> = fc.record({
  reader: fc.constantFrom('ann', 'bob', 'eve'),
  from: fc.constantFrom(undefined, undefined, ['ann'], ['bob', 'cid'], []),
  types: fc.constantFrom(undefined, undefined, ['a'], ['a', 'b']),
  /** The sizes of the pages, again and again, and which way each of them goes. */
  steps: fc.array(fc.record({ size: fc.integer({ min: 1, max: 7 }) }), {
    minLength: 1,
    maxLength: 5,
  }),
})

let topics = 0

function describePages(open: () => Carillon): void {
  async function fill(messages: readonly Published[]): Promise<string> {
    const topic = `pages:${++topics}`
    for (const { from, type, to } of messages) {
      const request = { topic, payload: 1, type, ...(to === undefined ? {} : { to }) }
      await open().publish(request, { as: { userId: from } })
    }
    return topic
  }

  /** The sequences that a reader has to get, by the rules as they are documented. */
  function expected(messages: readonly Published[], { reader, from, types }: Reading): number[] {
    return messages.flatMap((message, index) => {
      const visible =
        message.to === undefined || message.from === reader || message.to.includes(reader)
      const wanted =
        (from === undefined || from.includes(message.from)) &&
        (types === undefined || types.includes(message.type))
      return visible && wanted ? [index + 1] : []
    })
  }

  function ask(topic: string, reading: Reading, bounds: Partial<HistoryRequest>): Promise<Page> {
    const { reader, from, types } = reading
    return open().messages({ topic, from, types, ...bounds }, { as: { userId: reader } })
  }

  /** Pages through the whole topic one way, and checks each page's flags on the way. */
  async function walk(topic: string, reading: Reading, way: 'forward' | 'backward') {
    const pages: number[][] = []
    let cursor: string | undefined
    for (let step = 0; ; step++) {
      const size = reading.steps[step % reading.steps.length]?.size ?? 1
      const page = await ask(
        topic,
        reading,
        way === 'forward' ? { first: size, after: cursor } : { last: size, before: cursor },
      )
      const more = way === 'forward' ? page.hasNext : page.hasPrevious
      const behind = way === 'forward' ? page.hasPrevious : page.hasNext
      expect(behind).toBe(pages.some((earlier) => earlier.length > 0))
      pages.push(page.messages.map(({ sequence }) => sequence))
      if (!more) break
      expect(page.messages).toHaveLength(size)
      cursor = (way === 'forward' ? page.messages.at(-1) : page.messages[0])?.cursor
    }
    return way === 'forward' ? pages.flat() : pages.reverse().flat()
  }

  test('any sequence of pages, either way, returns every visible message exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyMessage, { maxLength: 25 }),
        fc.array(anyRequest, { minLength: 1, maxLength: 4 }),
        async (messages, readings) => {
          const topic = await fill(messages)
          for (const reading of readings) {
            const sequences = expected(messages, reading)
            expect(await walk(topic, reading, 'forward')).toEqual(sequences)
            expect(await walk(topic, reading, 'backward')).toEqual(sequences)
          }
        },
      ),
      { numRuns: 60 },
    )
  }, 60_000)

  test('a page that turns around returns what was there before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyMessage, { minLength: 1, maxLength: 20 }),
        anyRequest,
        async (messages, reading) => {
          const topic = await fill(messages)
          const sequences = expected(messages, reading)
          const [first] = reading.steps
          const size = first?.size ?? 1
          const newest = await ask(topic, reading, { last: size })
          const start = newest.messages[0]?.cursor
          if (start === undefined) return
          const older = await ask(topic, reading, { last: size, before: start })
          const end = older.messages.at(-1)?.cursor
          if (end === undefined) return
          const again = await ask(topic, reading, { first: size, after: end })
          expect(again.messages.map(({ sequence }) => sequence)).toEqual(
            newest.messages.map(({ sequence }) => sequence),
          )
          expect(sequences).toEqual(expect.arrayContaining(older.messages.map((m) => m.sequence)))
        },
      ),
      { numRuns: 40 },
    )
  }, 60_000)
}

describe('pages of the embedded database', () => {
  let carillon: Carillon
  beforeAll(async () => {
    carillon = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
  })
  afterAll(() => carillon.close())
  describePages(() => carillon)
})

describeWithPostgresql('pages of PostgreSQL', () => {
  let carillon: Carillon
  let database: ThrowawayDatabase
  beforeAll(async () => {
    database = await createDatabase()
    carillon = await createCarillon({ databaseUrl: database.url, logLevel: 'silent' })
  })
  afterAll(async () => {
    await carillon.close()
    await database[Symbol.asyncDispose]()
  })
  describePages(() => carillon)
})
