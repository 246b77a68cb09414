import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Intake } from '../../../src/transport/intake.ts'
import { readBody } from '../../../src/transport/request-body.ts'
import { rejection } from '../../support/rejection.ts'

function post(body: BodyInit): Request {
  const init = { method: 'POST', body, duplex: 'half' }
  return new Request('http://localhost/', init)
}

function read(request: Request, maxBytes: number): Promise<string> {
  return readBody(request, { maxBytes, intake: new Intake(), source: 'a' })
}

/** A body in chunks of 1,000 bytes that tells how much of it was read, and whether its reader went. */
function chunks(bytes: number) {
  const told = { read: 0, wasCut: false }
  const stream = new ReadableStream({
    async pull(controller) {
      await setTimeout(1)
      if (told.read >= bytes) return controller.close()
      told.read += 1_000
      controller.enqueue(new Uint8Array(1_000))
    },
    cancel() {
      told.wasCut = true
    },
  })
  return { told, stream }
}

test('reads a body that is as long as the bound', async () => {
  expect(await read(post('é'.repeat(500)), 1_000)).toBe('é'.repeat(500))
  expect(await read(new Request('http://localhost/'), 1_000)).toBe('')
})

test('refuses a body that is longer by a byte', async () => {
  expect(await rejection(read(post('x'.repeat(1_001)), 1_000))).toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
  })
})

test('reads the rest of a body that is too long, for its client to look for the answer', async () => {
  const { told, stream } = chunks(15_000)
  expect(await rejection(read(post(stream), 10_000))).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  await expect.poll(() => told.read).toBe(15_000)
  expect(told.wasCut).toBe(false)
})

test('cuts a body without end', async () => {
  const { told, stream } = chunks(Number.POSITIVE_INFINITY)
  expect(await rejection(read(post(stream), 10_000))).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  await expect.poll(() => told.wasCut, { timeout: 10_000 }).toBe(true)
})
