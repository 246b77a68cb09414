import { SignJWT } from 'jose'
import type { Subject } from './round.ts'

/** Someone who calls the server: whom a token says, or in open mode they themselves. */
export interface Caller {
  readonly connectionParams: object
  readonly headers: Readonly<Record<string, string>>
}

const TOPICS = 8

/** Two of the capabilities match it. */
export function topicOf(number: number): string {
  return `bench:access:${number % TOPICS}`
}

/** Ten; the two that match are the last ones. */
const CAPABILITIES = [
  { topics: 'chat:*', actions: ['SUBSCRIBE', 'PUBLISH', 'HISTORY'] },
  { topics: 'dm:{user}:*', actions: ['*'] },
  { topics: 'room:eu:*', actions: ['SUBSCRIBE', 'PUBLISH', 'PRESENCE'] },
  { topics: 'room:us:*', actions: ['SUBSCRIBE', 'HISTORY', 'PRESENCE'] },
  { topics: 'notices', actions: ['SUBSCRIBE', 'HISTORY', 'ACK'] },
  { topics: 'orders:{user}', actions: ['SUBSCRIBE', 'ACK'] },
  { topics: 'feedback', actions: ['PUBLISH'] },
  { topics: 'documents:42:*', actions: ['SUBSCRIBE', 'PUBLISH', 'HISTORY'] },
  { topics: 'bench:*', actions: ['SUBSCRIBE', 'PUBLISH'] },
  { topics: 'bench:access:*', actions: ['SUBSCRIBE', 'PUBLISH', 'HISTORY'] },
]

/** So many, each a user of its own. */
export function callersOf(subject: Subject, count: number): Promise<readonly Caller[]> {
  return Promise.all(
    Array.from({ length: count }, (_, number) => {
      const userId = `user-${String(number).padStart(6, '0')}`
      return callerOf(subject, userId)
    }),
  )
}

async function callerOf({ secret }: Subject, userId: string): Promise<Caller> {
  if (secret === undefined) {
    return { connectionParams: { userId }, headers: { 'carillon-user-id': userId } }
  }
  const token = await new SignJWT({ carillon: CAPABILITIES })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret))
  return { connectionParams: { token }, headers: { authorization: `Bearer ${token}` } }
}
