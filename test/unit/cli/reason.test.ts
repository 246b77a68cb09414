import { expect, test } from 'vitest'
import { finalRefusal, reasonText } from '../../../src/cli/reason.ts'
import { UpgradeRefused } from '../../../src/cli/sockets.ts'
import { CarillonError } from '../../../src/client/index.ts'

const lost = (cause?: unknown) => new CarillonError('NETWORK_ERROR', undefined, { cause })
const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

test.each([
  [lost({ error: refused }), 'connect ECONNREFUSED'],
  [new CarillonError('NOT_CONNECTED', undefined, { cause: lost({ error: refused }) }), 'connect E'],
  [lost({ error: new AggregateError([refused, refused], '') }), 'connect ECONNREFUSED'],
  [lost({ error: Object.assign(new Error(''), { code: 'EPIPE' }) }), 'EPIPE'],
  [lost({ code: 1006, reason: '' }), 'it was cut'],
  [
    new CarillonError('SHUTTING_DOWN', 'It ends.', { cause: { code: 1012, reason: 'x' } }),
    'It ends',
  ],
  [lost(), 'The connection to the server was lost'],
  [undefined, 'it was cut'],
])('%s is told by what lies at the bottom', (error, text) => {
  expect(reasonText(error)).toContain(text)
})

test.each([
  [404, true],
  [403, true],
  [429, false],
  [503, false],
])('an answer of %i instead of a WebSocket is final: %s', (status, isFinal) => {
  const refusal = new UpgradeRefused(status)
  expect(finalRefusal(lost({ error: refusal }))).toBe(isFinal ? refusal : undefined)
})
