import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { frame, OPCODES } from '../../../support/raw-websocket.ts'
import { again, flood, isOver, keepOpen, openGreeted, openSocket } from './attack.ts'
import type { Scenario, Target } from './scenario.ts'

export const NEVER_INIT: Scenario = {
  name: '5,000 sockets that never init',
  defence:
    'Takes new ones of one address by turns, closes the oldest once there are too many, and each with 4408 when its time is over.',
  limits: ['unauthenticatedConnections'],
  attack: (target) => keepOpen(target, Math.ceil(5_000 * target.size), () => openSocket(target)),
}

export const SLOW_HEADERS: Scenario = {
  name: '1,000 requests whose heads come a byte at a time',
  defence:
    'Waits, as they cost a socket each; Node closes those whose head is not there within 10 seconds.',
  limits: [],
  async attack(target) {
    const sockets = Array.from({ length: Math.ceil(1_000 * target.size) }, () => dribbler(target))
    const head = 'POST /graphql HTTP/1.1\r\nHost: a\r\nX-Slow: '
    for (let at = 0; !isOver(target); at++) {
      for (const socket of sockets) if (socket.writable) socket.write(head[at] ?? 'a')
      await sleep(20)
    }
    for (const socket of sockets) socket.destroy()
  },
}

function dribbler({ port, tally }: Target): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined) // the server may cut it
  socket.on('data', (chunk: Buffer) =>
    tally.add(chunk.toString('latin1').slice(0, 40).split('\r')[0] ?? ''),
  )
  return socket
}

/** What breaks the protocol, each in its own way. */
const BROKEN: readonly (() => Buffer)[] = [
  () => Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  () => frame({ opcode: OPCODES.text, payload: '{"type":"ping"}', masked: false }),
  () => frame({ opcode: OPCODES.text, payload: 'a', reserved: 4 }),
  () => frame({ opcode: OPCODES.text, payload: 'a', reserved: 3 }),
  () => frame({ opcode: 3, payload: 'a' }),
  () => frame({ opcode: 15, payload: 'a' }),
  () => frame({ opcode: OPCODES.ping, payload: 'a'.repeat(126) }),
  () => frame({ opcode: OPCODES.ping, payload: 'a', fin: false }),
  () => frame({ opcode: OPCODES.close, payload: 'a' }),
  () => frame({ opcode: OPCODES.close, payload: Buffer.from([0x03, 0xed]) }),
  () => frame({ opcode: OPCODES.continuation, payload: 'a' }),
  () => frame({ opcode: OPCODES.text, payload: Buffer.from([0xff, 0xfe, 0xc0]) }),
  () => frame({ opcode: OPCODES.binary, payload: Buffer.from([0, 1, 2, 3]) }),
  () => frame({ opcode: OPCODES.text, payload: 'garbage' }),
  () => frame({ opcode: OPCODES.text, payload: 'a', claims: 2 ** 40 }),
  () => frame({ opcode: OPCODES.text, payload: 'a', claims: 2 ** 62 }),
]

export const BROKEN_FRAMES: Scenario = {
  name: 'frames that are garbage, binary, unmasked, of reserved bits or too long',
  defence: 'Closes the socket, with 1002, 1007, 1009 or 4400.',
  limits: [],
  attack: (target) =>
    again(target, 20, async (number) => {
      const socket = await openGreeted(target)
      const broken = BROKEN[number % BROKEN.length]
      if (broken !== undefined) socket.write(broken())
      const impatient = setTimeout(() => {
        target.tally.add('not closed')
        socket.destroy()
      }, 1_000)
      await socket.ended
      clearTimeout(impatient)
    }),
}

/** Bytes of one part of a message that never ends. */
const PART = 64 * 1024

export const ENDLESS_FRAGMENTS: Scenario = {
  name: '20 sockets with messages in parts without end',
  defence:
    'Reads a long message more slowly beside others, and closes with 1009 where it is longer than it may be.',
  limits: ['frameBytes'],
  attack: (target) =>
    again(target, 20, async () => {
      const socket = await openGreeted(target)
      socket.write(frame({ opcode: OPCODES.text, payload: 'a', fin: false }))
      const part = frame({ opcode: OPCODES.continuation, payload: 'a'.repeat(PART), fin: false })
      while (socket.isOpen && !isOver(target)) {
        socket.write(part)
        await socket.drained()
        await sleep(1)
      }
      socket.destroy()
    }),
}

export const SMALL_FRAGMENTS: Scenario = {
  name: '20 sockets with messages in endless parts of one byte',
  defence: 'Closes with 1008: a message has at most 1,024 parts.',
  limits: [],
  attack: (target) =>
    again(target, 20, async () => {
      const socket = await openGreeted(target)
      socket.write(frame({ opcode: OPCODES.text, payload: 'a', fin: false }))
      const part = frame({ opcode: OPCODES.continuation, payload: 'a', fin: false })
      const parts = Buffer.concat(Array.from({ length: 2_000 }, () => part))
      while (socket.isOpen && !isOver(target)) {
        socket.write(parts)
        await socket.drained()
        await sleep(1)
      }
      socket.destroy()
    }),
}

export const WEBSOCKET_PINGS: Scenario = {
  name: 'pings of WebSocket without end',
  defence:
    'Answers them, and cuts the socket where its answers wait: `ws` lets 60 of them pile up.',
  limits: [],
  attack: (target) => flood(target, () => PING),
}

const PING = frame({ opcode: OPCODES.ping, payload: 'a'.repeat(125) })

export const PROTOCOL_PINGS: Scenario = {
  name: 'pings of graphql-ws without end',
  defence: 'Closes the socket that sends too many.',
  limits: ['messagesPerSecond'],
  attack: (target) => flood(target, () => ({ type: 'ping', payload: { a: 1 } })),
}
