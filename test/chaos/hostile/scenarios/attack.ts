import { setTimeout as sleep } from 'node:timers/promises'
import { RawWebSocket } from '../../../support/raw-websocket.ts'
import type { Target } from './scenario.ts'

/** Sockets that are opened at the same time. */
const AT_ONCE = 100

/** A socket that tells the tally everything that comes. */
export function openSocket({ port, tally }: Target): Promise<RawWebSocket> {
  return RawWebSocket.open(port, {
    onText: (text) => tally.hear(text),
    onEnd: (how) => tally.add(how),
  })
}

/** One that the server has acknowledged, or has refused. */
export async function openGreeted(target: Target, identity = {}): Promise<RawWebSocket> {
  const { port, tally } = target
  let onAcknowledged = () => {}
  const acknowledged = new Promise<void>((resolve) => {
    onAcknowledged = resolve
  })
  const onText = (text: string) => {
    onAcknowledged()
    tally.hear(text)
  }
  const socket = await RawWebSocket.open(port, { onText, onEnd: (how) => tally.add(how) })
  socket.send({ type: 'connection_init', payload: identity })
  await Promise.race([acknowledged, socket.ended])
  return socket
}

export function isOver({ until }: Target): boolean {
  return performance.now() >= until
}

/** Does it again and again, so many at the same time, until it is over. */
export async function again(
  target: Target,
  times: number,
  work: (number: number) => Promise<unknown>,
): Promise<void> {
  let number = 0
  const lane = async () => {
    while (!isOver(target)) {
      await work(number++)
      await sleep(0) // what has come meanwhile is read
    }
  }
  await Promise.all(Array.from({ length: times }, lane))
}

/** Keeps so many sockets open: in the place of one that is closed comes another. */
export async function keepOpen(
  target: Target,
  count: number,
  open: () => Promise<RawWebSocket>,
): Promise<void> {
  let sockets: RawWebSocket[] = []
  while (!isOver(target)) {
    sockets = sockets.filter(({ isOpen }) => isOpen)
    const missing = Math.min(AT_ONCE, count - sockets.length)
    if (missing > 0) sockets.push(...(await Promise.all(Array.from({ length: missing }, open))))
    else await sleep(20)
  }
  for (const socket of sockets) socket.destroy()
}

/** Sends as much as the server reads over one socket; opens another where that is closed. */
export async function flood(
  target: Target,
  next: (number: number) => Buffer | object,
): Promise<void> {
  let number = 0
  while (!isOver(target)) {
    const socket = await openGreeted(target)
    while (socket.isOpen && !isOver(target)) {
      for (let n = 0; n < BATCH; n++) sendTo(socket, next(number++))
      await socket.drained()
      await sleep(0)
    }
    socket.destroy()
  }
  target.tally.add('sent', number)
}

/** Messages between two looks at the clock. */
const BATCH = 50

function sendTo(socket: RawWebSocket, message: Buffer | object): void {
  if (Buffer.isBuffer(message)) socket.write(message)
  else socket.send(message)
}

/** One request over HTTP, without its answer's text but for errors. */
export async function post({ port, tally }: Target, body: string): Promise<void> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    tally.status(response.status, await response.text())
  } catch (error) {
    // The server answers no more once it has refused to read on; and a stream of events does not end.
    tally.add(error instanceof Error && error.name === 'TimeoutError' ? 'given up' : 'cut')
  }
}

/** How long an answer is waited for, in milliseconds. */
export const ANSWER_MS = 2_000
