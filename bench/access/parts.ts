import type { Part } from '../support/part.ts'
import { compare } from './comparison.ts'

/** What access may cost: the CPU of a unit, times that in open mode. */
const AT_MOST = 1.05

/** In the order in which they run. */
export const PARTS: readonly Part[] = [
  {
    name: 'websocket',
    measure: (options) =>
      compare(options, {
        title: 'publish over WebSocket, 16 sockets, 16 in flight on each',
        unit: 'message',
        atMost: AT_MOST,
        ask: (load, round) => load.ask('publishOverSockets', round),
      }),
  },
  {
    name: 'http',
    measure: (options) =>
      compare(options, {
        title: 'publish over HTTP, 32 connections',
        unit: 'message',
        atMost: AT_MOST,
        warmUpTimes: 3, // it does the fewest in a second
        ask: (load, round) => load.ask('publishOverHttp', round),
      }),
  },
  {
    name: 'fanout',
    measure: (options) => {
      const clients = options.quick ? 200 : 1_000
      return compare(options, {
        title: `${clients} subscribers, 100 messages a second`,
        unit: 'delivery',
        atMost: AT_MOST,
        ask: (load, round) => load.ask('deliver', { ...round, clients }),
      })
    },
  },
  {
    name: 'connect',
    measure: (options) =>
      compare(options, {
        title: 'connect and init, 500 sockets again and again',
        unit: 'connection',
        ask: (load, round) => load.ask('connect', { ...round, clients: 500 }),
      }),
  },
]
