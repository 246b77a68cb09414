import { expect, test } from 'vitest'
import { PublishLimiter } from '../../../src/access/publish-limiter.ts'
import { viewer } from '../../support/viewer.ts'

test('what a user may not publish takes nothing from the topic of all', async () => {
  const limits = { publishesPerSecondPerUser: 5, publishesPerSecondPerTopic: 10 }
  const limiter = new PublishLimiter({ limits, address: undefined })
  const user = (userId: string) => viewer({ kind: 'user', userId, clientId: null })
  const many = Array.from({ length: 6 }, () => ({ topic: 'chat:1' }))
  for (let n = 0; n < 5; n++) {
    await expect(limiter.take(user('ann'), many)).rejects.toMatchObject({
      limit: 'publishesPerSecondPerUser',
    })
  }
  await limiter.take(user('bob'), many.slice(1))
  await limiter.take(user('eve'), many.slice(1))
  limiter.close()
})
