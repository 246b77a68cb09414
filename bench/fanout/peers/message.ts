import type { Body } from './peer.ts'

/** The part of Carillon's schema that the clients use, for the servers that bring none. */
export const TYPE_DEFINITIONS = `
  scalar JSON
  type Message {
    id: ID!
    sequence: Int!
    from: ID!
    publishedAt: String!
    payload: JSON!
  }
  type Query {
    topic: String
  }
  type Subscription {
    messages(topics: [String!]!): Message!
  }
`

export interface PeerMessage {
  readonly id: string
  readonly sequence: number
  readonly from: string
  readonly publishedAt: string
  readonly payload: Body
}

/** The arguments of `Subscription.messages`; the clients name one topic. */
export interface MessagesArguments {
  readonly topics: readonly string[]
}

let sequence = 0

export function messageOf(payload: Body): PeerMessage {
  sequence += 1
  return {
    id: `message:${String(sequence).padStart(20, '0')}`,
    sequence,
    from: 'backend',
    publishedAt: new Date().toISOString(),
    payload,
  }
}
