import type { Carillon, Subscription } from 'carillon'

/** One subscription of a client, as the server holds it. */
export interface Source {
  /** Resolves once the server has released it. */
  ended(): Promise<void>
}

/** The subscriptions that clients of a server open. */
export interface Sources {
  /**
   * The next one of this topic, once it is live: what is published from then on is delivered.
   * Nothing on the wire tells a client so.
   */
  opened(topic: string): Promise<Source>
}

interface Opened {
  readonly topics: readonly string[]
  readonly source: Source
}

interface Waiting {
  readonly topic: string
  readonly resolve: (source: Source) => void
}

/** Watches `Subscription.messages`, from the call on. */
export function watchSources({ schema }: Pick<Carillon, 'schema'>): Sources {
  const field = schema.getSubscriptionType()?.getFields().messages
  const subscribe = field?.subscribe
  if (field === undefined || subscribe === undefined) throw new Error('There is no such field.')
  const kept: Opened[] = []
  const waiting: Waiting[] = []

  function hand(opened: Opened): void {
    const index = waiting.findIndex(({ topic }) => opened.topics.includes(topic))
    if (index === -1) kept.push(opened)
    else waiting.splice(index, 1)[0]?.resolve(opened.source)
  }

  field.subscribe = async (root, args: { topics: readonly string[] }, context, info) => {
    const subscription = (await subscribe(root, args, context, info)) as Subscription
    hand({ topics: args.topics, source: { ended: () => untilEnded(subscription) } })
    return subscription
  }

  return {
    opened(topic) {
      const index = kept.findIndex(({ topics }) => topics.includes(topic))
      const [opened] = index === -1 ? [] : kept.splice(index, 1)
      if (opened !== undefined) return Promise.resolve(opened.source)
      return new Promise((resolve) => waiting.push({ topic, resolve }))
    },
  }
}

/** One that is over answers so at once; of one that is not, this takes what it has, and waits. */
async function untilEnded(subscription: Subscription): Promise<void> {
  while ((await subscription.next()).done !== true);
}
