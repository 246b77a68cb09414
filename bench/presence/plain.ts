import { Redis } from 'ioredis'
import { answerCommands } from '../fanout/channel.ts'
import { ownCpuMicros } from '../support/process-usage.ts'
import { type People, topicOf, userIdOf } from './people.ts'

export interface Heartbeats extends People {
  readonly redisUrl: string
  readonly everyMs: number
}

/** What the program of the plain way does when asked. */
export interface PlainCommands {
  /** Each member says again and again that it is there; resolves once each has said so once. */
  start(heartbeats: Heartbeats): Promise<void>
  /** CPU time so far, in microseconds. */
  cpu(): number
}

/**
 * Presence as it is built by hand: a hash for each topic with the time at which each member was last seen. To find
 * who is gone, somebody would have to read the hashes, too; that is not counted.
 */
answerCommands<PlainCommands>({
  async start({ redisUrl, everyMs, ...people }) {
    const redis = new Redis(redisUrl)
    const beat = (number: number) => {
      const [topic, userId] = [topicOf(people, number), userIdOf(number)]
      return redis.hset(`plain:${topic}`, userId, Date.now())
    }
    const numbers = Array.from({ length: people.members }, (_, number) => number)
    await Promise.all(numbers.map(beat))
    for (const number of numbers) {
      const first = (number * everyMs) / people.members // evenly
      setTimeout(() => {
        void beat(number)
        setInterval(() => void beat(number), everyMs)
      }, first)
    }
  },
  cpu: ownCpuMicros,
})
