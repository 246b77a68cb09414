import { randomUUID } from 'node:crypto'
import { Client, type Endpoint } from './client.ts'
import { textFrame } from './frame-reader.ts'
import { queryOf } from './selection.ts'

export interface Churn extends Endpoint {
  readonly clients: number
  /** Subscriptions that each client starts and stops, one after the other. */
  readonly operations: number
  readonly topics: number
}

const INIT = textFrame({ type: 'connection_init' })
const PING = textFrame({ type: 'ping' })
const PONG = Buffer.from('"type":"pong"')
const ACK = Buffer.from('"type":"connection_ack"')

/** A client that waits for the server's answer after each step, and fails at any other frame. */
interface Stepper {
  step(frames: Buffer, answer: Buffer): Promise<void>
  close(): void
}

/** Clients that start and stop subscriptions all at once. */
export async function connectChurners({ clients, ...churn }: Churn) {
  const steppers: Stepper[] = []
  for (let number = 0; number < clients; number++) steppers.push(await openStepper(churn))
  return {
    async run(): Promise<{ readonly seconds: number }> {
      const start = performance.now()
      await Promise.all(steppers.map((stepper, number) => startAndStop(stepper, number, churn)))
      return { seconds: (performance.now() - start) / 1_000 }
    },
    close() {
      for (const stepper of steppers) stepper.close()
    },
  }
}

/** The pong says that the server has come to the subscription; the next one begins as it stops. */
async function startAndStop(
  stepper: Stepper,
  number: number,
  { operations, topics }: Pick<Churn, 'operations' | 'topics'>,
): Promise<void> {
  let stop: readonly Buffer[] = []
  for (let operation = 0; operation < operations; operation++) {
    const id = randomUUID()
    const query = queryOf(`room:${(number + operation) % topics}`, 0)
    const start = textFrame({ id, type: 'subscribe', payload: { query } })
    await stepper.step(Buffer.concat([...stop, start, PING]), PONG)
    stop = [textFrame({ id, type: 'complete' })]
  }
  await stepper.step(Buffer.concat([...stop, PING]), PONG)
}

async function openStepper(endpoint: Endpoint): Promise<Stepper> {
  let expected: Buffer = ACK
  let waiting: Waiting | undefined
  const fail = (reason: string) => waiting?.reject(new Error(reason))
  const client = new Client(endpoint, {
    onContent(_client, buffer, start, end) {
      const frame = buffer.subarray(start, end)
      if (frame.includes(expected)) waiting?.resolve()
      else fail(`an answer that was not expected: ${frame}`)
    },
    onText: () => undefined,
    onLost: (_client, reason) => fail(reason),
  })
  const step = (frames: Buffer, answer: Buffer) =>
    new Promise<void>((resolve, reject) => {
      expected = answer
      waiting = { resolve, reject }
      client.send(frames)
    })
  await client.opened()
  await step(INIT, ACK)
  return { step, close: () => client.close() }
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}
