import { expect } from 'vitest'
import { RedisBus } from '../../src/bus/redis-bus.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import type { RedisAddress } from '../../src/redis/redis-address.ts'
import { message } from './messages.ts'

/** Failovers take seconds. */
const PATIENCE = { timeout: 20_000 }

/** Two instances, of which one publishes and one listens. */
export interface BusPair extends AsyncDisposable {
  /** What both were told. */
  readonly faults: readonly unknown[]
  isConnected(): boolean
  /** Gaps that the listener was told of. */
  gaps(): number
  /** Publishes until a message comes through, which it does by itself in the end. */
  expectMessages(): Promise<void>
}

/** Both connected, and a message carried. */
export async function openBusPair(address: RedisAddress): Promise<BusPair> {
  const topic = 'chat:1' as TopicName
  const faults: unknown[] = []
  const openBus = () => new RedisBus({ address, onFault: (fault) => faults.push(fault) })
  const [here, there] = [openBus(), openBus()]
  const isConnected = () => here.isConnected && there.isConnected
  await expect.poll(isConnected, PATIENCE).toBe(true)
  let received = 0
  let gaps = 0
  await there.subscribe(topic, () => received++)
  there.onGap(() => gaps++)

  async function expectMessages(): Promise<void> {
    await expect.poll(isConnected, PATIENCE).toBe(true)
    const before = received
    const publishOne = () => {
      here.publish([message({ sequence: 1 })])
      return received - before
    }
    await expect.poll(publishOne, PATIENCE).toBeGreaterThan(0)
  }

  await expectMessages()
  return {
    faults,
    isConnected,
    gaps: () => gaps,
    expectMessages,
    async [Symbol.asyncDispose]() {
      await Promise.all([here.close(), there.close()])
    },
  }
}
