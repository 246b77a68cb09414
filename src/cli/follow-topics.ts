import type { CarillonClient } from '../client/index.ts'
import type { FollowRequest } from './follow-request.ts'
import type { Session } from './session.ts'

/**
 * Follows topics by their names, each through every lost connection.
 * @throws CarillonError why the server has ended one of them
 */
export async function followTopics({ client }: Session, request: FollowRequest): Promise<void> {
  await Promise.all(request.topics.map((topic) => followTopic(client, topic, request)))
}

function followTopic(client: CarillonClient, topic: string, request: FollowRequest): Promise<void> {
  const { after, last, types, from, signal, onMessage, onGap } = request
  return new Promise((resolve, reject) => {
    const subscription = client.topic(topic).subscribe(onMessage, {
      after,
      last,
      types,
      from,
      onGap,
      onError: reject,
    })
    signal.addEventListener('abort', () => subscription.unsubscribe(), { once: true })
    void subscription.ended.then(resolve)
  })
}
