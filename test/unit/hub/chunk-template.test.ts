import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChunkTemplate, type Part } from '../../../src/hub/chunk-template.ts'
import { textsOf } from '../../support/frames.ts'

const text = fc.string({ maxLength: 300 }).map((value) => Buffer.from(value))

test('whatever was asked for before, a chunk has the frames of its texts', async () => {
  const bodies = fc.array(text, { minLength: 1, maxLength: 4 })
  const chunks = fc.array(
    fc.array(
      fc.record({
        prefix: fc.constantFrom('{"id":"a",', '{"id":"b",', '{"id":"longer",', ''),
        body: fc.nat({ max: 3 }),
        suffix: fc.constantFrom('}', ''),
        isGivenAway: fc.boolean(),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    { minLength: 1, maxLength: 20 },
  )
  await fc.assert(
    fc.asyncProperty(bodies, chunks, async (all, wanted) => {
      const template = new ChunkTemplate()
      const suffixes = new Map([
        ['}', Buffer.from('}')],
        ['', Buffer.alloc(0)],
      ])
      const kept: { readonly chunk: Buffer; readonly copy: Buffer }[] = []
      for (const one of wanted) {
        const parts = one.map(
          ({ prefix, body, suffix }): Part => ({
            prefix: Buffer.from(prefix),
            body: all[body % all.length] ?? Buffer.alloc(0),
            suffix: suffixes.get(suffix) ?? Buffer.alloc(0),
          }),
        )
        const chunk = template.chunk(parts)
        const expected = parts.map((part) => `${part.prefix}${part.body}${part.suffix}`)
        expect(await textsOf(Buffer.from(chunk))).toEqual(expected)
        if (one[0]?.isGivenAway === true) {
          template.giveAway()
          kept.push({ chunk, copy: Buffer.from(chunk) })
        }
      }
      for (const { chunk, copy } of kept) expect(chunk.equals(copy)).toBe(true)
    }),
    { numRuns: 200 },
  )
})
