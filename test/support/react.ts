import './dom.ts' // first: react-dom looks once whether there is a document

import { createElement, type ReactNode, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { WebSocket } from 'ws'
import type { CarillonClient, ClientOptions } from '../../src/client/index.ts'
import { createClient } from '../../src/client/index.ts'
import { CarillonProvider } from '../../src/react/index.ts'
import { newElement } from './dom.ts' // first: react-dom looks once whether there is a document

/** What a client has sent, by the types of the protocol. */
export interface Wire {
  readonly sent: { readonly type: string; readonly query: string }[]
  /** Subscriptions that were begun, of those that select this field, and not ended. */
  readonly open: (field: string) => number
  readonly begun: (field: string) => number
}

export interface WatchedClient extends AsyncDisposable {
  readonly client: CarillonClient
  readonly wire: Wire
}

/** A client whose frames are looked at. */
export function watchedClient(url: string, options: Partial<ClientOptions> = {}): WatchedClient {
  const sent: { type: string; query: string }[] = []
  const queries = new Map<string, string>()
  class Watched extends WebSocket {
    override send(data: never): void {
      const { type, id, payload } = JSON.parse(String(data))
      if (type === 'subscribe') queries.set(id, payload.query)
      sent.push({ type, query: queries.get(id) ?? '' })
      super.send(data)
    }
  }
  const client = createClient({
    url,
    webSocketImpl: Watched,
    backoff: { baseMs: 5, maxMs: 20 },
    ...options,
  })
  const count = (type: string, field: string) =>
    sent.filter((one) => one.type === type && one.query.includes(field)).length
  return {
    client,
    wire: {
      sent,
      begun: (field) => count('subscribe', field),
      open: (field) => count('subscribe', field) - count('complete', field),
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}

export interface Mounted extends Disposable {
  readonly element: Element
  readonly render: (node: ReactNode) => void
  readonly unmount: () => void
}

/** Mounts as an application does in development: in strict mode, with a provider around. */
export function mount(client: CarillonClient, node: ReactNode): Mounted {
  const element = newElement()
  const root = createRoot(element)
  const render = (inside: ReactNode) =>
    root.render(
      createElement(StrictMode, null, createElement(CarillonProvider, { client }, inside)),
    )
  render(node)
  const unmount = () => root.unmount()
  return { element, render, unmount, [Symbol.dispose]: unmount }
}
