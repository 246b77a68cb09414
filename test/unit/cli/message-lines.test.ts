import { expect, test } from 'vitest'
import { MessageLines } from '../../../src/cli/message-lines.ts'
import { columnsOf } from '../../../src/cli/visible-text.ts'
import type { Message } from '../../../src/client/index.ts'

const plain = (_colour: string, text: string) => text

function message(changes: Partial<Message> = {}): Message {
  return {
    id: 'm.1',
    idempotencyKey: null,
    topic: 'chat:1',
    sequence: 1,
    cursor: 'c',
    type: 'message',
    payload: 'Hi',
    metadata: null,
    encrypted: false,
    ephemeral: false,
    from: 'ann',
    clientId: null,
    to: null,
    publishedAt: '2026-11-24T12:00:00.000Z',
    expiresAt: null,
    ...changes,
  }
}

test('a line is as long as it is where there is no terminal', () => {
  const lines = new MessageLines({ columns: () => undefined, paint: plain })
  const payload = 'x'.repeat(500)
  expect(lines.line(message({ payload }))).toBe(
    `2026-11-24T12:00:00.000Z  chat:1    1  ann  message  "${payload}"\n`,
  )
})

test('columns grow with what comes, and make room for what is known', () => {
  const lines = new MessageLines({ columns: () => undefined, paint: plain })
  lines.widen([message({ from: 'anonymous' })])
  expect(lines.line(message())).toContain('  ann        message  ')
  expect(lines.line(message({ type: 'message.created' }))).toContain('  message.created  ')
  expect(lines.line(message())).toContain('  message          "Hi"')
})

test.each([[80], [120], [200]])('a line fits a terminal of %i columns', (columns) => {
  const lines = new MessageLines({ columns: () => columns, paint: plain })
  const long = 'long'.repeat(10)
  const one = message({ payload: { text: '你好'.repeat(200) } })
  const other = message({
    topic: `t:${long}`,
    from: long,
    type: long,
    sequence: null,
    payload: long,
  })
  expect(columnsOf(lines.line(one).trimEnd())).toBeLessThanOrEqual(columns)
  expect(columnsOf(lines.line(one).trimEnd())).toBeGreaterThan(columns - 3)
  if (columns > 110) expect(columnsOf(lines.line(other).trimEnd())).toBeLessThanOrEqual(columns)
})

test('an ephemeral message has no sequence, and names of others have no power over the terminal', () => {
  const lines = new MessageLines({ columns: () => undefined, paint: plain })
  const line = lines.line(message({ sequence: null, from: 'a\u001b[31m', type: 'b\n' }))
  expect(line).toContain('    -  a\\u001b[31m  b\\u000a  "Hi"\n')
})

test('colours stand around the columns, and not in their width', () => {
  const paint = (colour: string, text: string) => `<${colour}>${text}</>`
  const lines = new MessageLines({ columns: () => undefined, paint })
  expect(lines.line(message())).toContain(
    '<cyan>chat:1</>  <dim>  1</>  <green>ann</>  <yellow>message</>',
  )
})
