import { expect, test } from 'vitest'
import { readBody } from '../../../src/transport/request-body.ts'
import { rejection } from '../../support/rejection.ts'

function post(body: BodyInit): Request {
  const init = { method: 'POST', body, duplex: 'half' }
  return new Request('http://localhost/', init)
}

/** A body without end, that tells how much of it was read. */
function endless() {
  const read = { bytes: 0 }
  const stream = new ReadableStream({
    pull(controller) {
      read.bytes += 1_000
      controller.enqueue(new Uint8Array(1_000))
    },
  })
  return { read, stream }
}

test('reads a body that is as long as the bound', async () => {
  expect(await readBody(post('é'.repeat(500)), 1_000)).toBe('é'.repeat(500))
  expect(await readBody(new Request('http://localhost/'), 1_000)).toBe('')
})

test('refuses a body that is longer by a byte', async () => {
  expect(await rejection(readBody(post('x'.repeat(1_001)), 1_000))).toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
  })
})

test('stops reading a body that does not say how long it is', async () => {
  const { read, stream } = endless()
  expect(await rejection(readBody(post(stream), 10_000))).toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
  })
  expect(read.bytes).toBeLessThan(20_000)
})
