import { createClient as createCarillonClient, DOCUMENTS } from 'carillon/client'
import { createClient } from 'graphql-ws/client'
import { WebSocket } from 'ws'
import { answerCommands } from '../fanout/channel.ts'
import { ownCpuMicros } from '../support/process-usage.ts'

/** What reads: the client library, or graphql-ws alone with the same document. */
export type ReaderKind = 'carillon/client' | 'graphql-ws'

/** Since the last look. */
export interface Reading {
  readonly messages: number
  readonly cpuMicros: number
  /** What is left once garbage is collected, in MB. */
  readonly heapMegabytes: number
  /** Whether each message was the one after the one before. */
  readonly isInOrder: boolean
}

interface Subscribing {
  readonly kind: ReaderKind
  readonly url: string
  readonly topic: string
}

interface Sequenced {
  readonly sequence: number | null
}

let messages = 0
let last = 0
let isInOrder = true
let cpuMicros = 0

function take({ sequence }: Sequenced): void {
  messages++
  if (last > 0 && sequence !== last + 1) isInOrder = false
  last = sequence ?? last
}

const SUBSCRIBE: Readonly<Record<ReaderKind, (subscribing: Subscribing) => void>> = {
  'carillon/client': ({ url, topic }) => {
    createCarillonClient({ url, webSocketImpl: WebSocket }).topic(topic).subscribe(take)
  },
  'graphql-ws': ({ url, topic }) => {
    const client = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket })
    const payload = { query: DOCUMENTS.events, variables: { topics: [topic] } }
    client.subscribe<{ readonly events: { readonly message?: Sequenced } }>(payload, {
      next: ({ data }) => data?.events.message && take(data.events.message),
      error: (error) => {
        throw error
      },
      complete: () => {},
    })
  },
}

const commands = {
  subscribe: (subscribing: Subscribing) => SUBSCRIBE[subscribing.kind](subscribing),
  hasBegun: () => messages > 0,
  look(): Reading {
    const used = ownCpuMicros()
    const reading = { messages, cpuMicros: used - cpuMicros, isInOrder }
    globalThis.gc?.()
    const { heapUsed } = process.memoryUsage()
    messages = 0
    cpuMicros = ownCpuMicros() // without what looking took
    return { ...reading, heapMegabytes: heapUsed / 1024 / 1024 }
  },
}

export type ReaderCommands = typeof commands

answerCommands(commands)
