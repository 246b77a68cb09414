import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type MessageList, withLive, withPage } from '../../../src/links/message-list.ts'

function cursorAt(sequence: number, epoch = 'aaaaaaaaaaaa'): string {
  return Buffer.from(`${sequence}:${epoch}:chat:1`).toString('base64url')
}

function entryAt(sequence: number, epoch?: string) {
  return { node: sequence, sequence, cursor: cursorAt(sequence, epoch) }
}

/** The messages from `first` to `last` of a topic that has those from 1 to `head`. */
function pageOf(first: number, last: number, head: number, epoch?: string): MessageList<number> {
  const entries = Array.from({ length: Math.max(0, last - first + 1) }, (_, n) =>
    entryAt(first + n, epoch),
  )
  return {
    entries,
    pageInfo: {
      startCursor: entries[0]?.cursor ?? null,
      endCursor: entries.at(-1)?.cursor ?? null,
      hasPreviousPage: first > 1,
      hasNextPage: last < head,
    },
  }
}

function nodes({ entries }: MessageList<number>): readonly number[] {
  return entries.map(({ node }) => node)
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

const HEAD = 100

/** The pages of the whole topic, in some order, some of them more than once. */
const somePages = fc
  .tuple(fc.integer({ min: 1, max: 30 }), fc.infiniteStream(fc.nat()))
  .map(([size, random]) => {
    const starts = range(0, Math.ceil(HEAD / size) - 1).map((n) => n * size + 1)
    const pages = starts.map((first) => pageOf(first, Math.min(HEAD, first + size - 1), HEAD))
    const order = [...pages, ...pages.slice(0, 3)].map((page) => ({
      page,
      key: random.next().value,
    }))
    return order.toSorted((one, other) => one.key - other.key).map(({ page }) => page)
  })

describe('Pages', () => {
  test('become one list in whatever order they come, which knows both of its ends', () => {
    fc.assert(
      fc.property(somePages, (pages) => {
        const [first = pageOf(1, 0, 0), ...others] = pages
        const args = { after: 'a cursor' }
        const list = others.reduce((all, page) => withPage(all, page, args), first)
        expect(nodes(list)).toEqual(range(1, HEAD))
        expect(list.pageInfo).toEqual({
          startCursor: cursorAt(1),
          endCursor: cursorAt(HEAD),
          hasPreviousPage: false,
          hasNextPage: false,
        })
      }),
    )
  })

  test('that are empty say that there is nothing more, and change nothing else', () => {
    const list = pageOf(10, 20, 30)
    const empty = pageOf(1, 0, 0)
    expect(withPage(list, empty, { before: cursorAt(10) })).toEqual({
      entries: list.entries,
      pageInfo: { ...list.pageInfo, hasPreviousPage: false },
    })
    expect(withPage(list, empty, { after: cursorAt(20) })).toEqual({
      entries: list.entries,
      pageInfo: { ...list.pageInfo, hasNextPage: false },
    })
    expect(withPage(list, empty, {})).toEqual(empty) // the topic is empty now
  })

  test.each([
    ['the newest', pageOf(80, 100, HEAD), [80, 100]],
    ['the oldest', pageOf(1, 20, HEAD), [1, 20]],
  ])(
    'without a cursor take the place of a list that they do not touch: %s',
    (_, page, expected) => {
      const [first = 0, last = 0] = expected
      expect(nodes(withPage(pageOf(40, 60, HEAD), page, {}))).toEqual(range(first, last))
    },
  )

  test.each([
    ['which they touch', pageOf(61, 80, HEAD), [40, 80]],
    ['which they overlap', pageOf(30, 50, HEAD), [30, 60]],
  ])('without a cursor go on with a list %s', (_, page, expected) => {
    const [first = 0, last = 0] = expected
    expect(nodes(withPage(pageOf(40, 60, HEAD), page, {}))).toEqual(range(first, last))
  })

  test('of another epoch take the place of the list', () => {
    const page = pageOf(1, 3, 3, 'bbbbbbbbbbbb')
    expect(withPage(pageOf(1, 50, 50), page, { after: cursorAt(50) })).toEqual(page)
  })
})

describe('A live message', () => {
  test('comes behind a list that reaches the present, and once', () => {
    const once = withLive(pageOf(1, 5, 5), entryAt(6))
    expect(once).toEqual(pageOf(1, 6, 6))
    expect(withLive(once, entryAt(6))).toEqual(once)
  })

  test('comes in its place where it is late', () => {
    const list = withLive(withLive(pageOf(1, 5, 5), entryAt(7)), entryAt(6))
    expect(list).toEqual(pageOf(1, 7, 7))
  })

  test('waits for its page where there are others between', () => {
    const list = pageOf(1, 5, 10)
    expect(withLive(list, entryAt(11))).toBe(list)
    const newest = pageOf(20, 25, 25)
    expect(withLive(newest, entryAt(3))).toBe(newest)
  })

  test('begins a list that is empty, and one of another epoch', () => {
    expect(withLive(pageOf(1, 0, 0), entryAt(1)).entries).toEqual([entryAt(1)])
    const other = entryAt(1, 'bbbbbbbbbbbb')
    expect(withLive(pageOf(1, 5, 5), other)).toEqual(pageOf(1, 1, 1, 'bbbbbbbbbbbb'))
  })
})
