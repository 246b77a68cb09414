/** The servers that are compared. */
export const PEERS = [
  'bare',
  'yoga',
  'graphql-ws',
  'mercurius',
  'carillon',
  'carillon-ephemeral',
] as const
export type PeerName = (typeof PEERS)[number]

export const PEER_TITLES: Readonly<Record<PeerName, string>> = {
  bare: 'bare `ws` loop, no GraphQL',
  yoga: 'Yoga + graphql-ws + PubSub',
  'graphql-ws': 'graphql-ws alone',
  mercurius: 'Mercurius with JIT',
  carillon: 'Carillon, durable',
  'carillon-ephemeral': 'Carillon, ephemeral',
}

export interface PeerSettings {
  readonly peer: PeerName
  /** PostgreSQL; where there is none, the embedded database, which is Carillon's only. */
  readonly databaseUrl?: string
  readonly redisUrl?: string
}

/** What a message carries: when it was published, by the machine's clock, and some text. */
export interface Body {
  /** 16 digits: see clock.ts. */
  readonly at: string
  readonly text: string
}

/** A server in this process, with a publisher beside it. */
export interface Peer {
  readonly port: number
  readonly path: string
  /**
   * Publishes messages to a topic in the same tick and in this order. Resolves when the server has
   * taken them, which says nothing about their delivery.
   */
  publish(topic: string, bodies: readonly Body[]): Promise<void>
}
