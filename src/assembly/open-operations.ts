import { DeadLetters } from '../consumers/dead-letters.ts'
import { Subscriptions } from '../hub/subscriptions.ts'
import { History } from '../log/history.ts'
import type { Middlewares } from '../operations/middleware.ts'
import { Operations } from '../operations/operations.ts'
import { Publisher } from '../publish/publisher.ts'
import { Purger } from '../publish/purger.ts'
import type { Messaging } from './messaging.ts'
import type { Setting } from './setting.ts'
import type { WhoMay } from './who-may.ts'

/** Everything that can be done, whoever asks and over whatever. */
export function openOperations(
  { limits, onLimit }: Setting,
  { access, publishLimiter, pages }: WhoMay,
  messaging: Messaging,
  middlewares: Middlewares,
): Operations {
  const { log, bus, hub, acks, consumers, deadLetterStore, presence, snapshots } = messaging
  return new Operations({
    access,
    middlewares,
    publishLimiter,
    pages,
    onLimit,
    limits,
    presence,
    log,
    history: new History(log, limits),
    publisher: new Publisher({ log, bus, limits }),
    acks,
    consumers,
    deadLetters: new DeadLetters({
      store: deadLetterStore,
      onReplay: (userId) => consumers.replayed(userId),
      limits,
    }),
    purger: new Purger({ log, bus, onPurged: () => messaging.sweeper.wake() }),
    snapshots,
    subscriptions: new Subscriptions({ hub, consumers: acks, snapshots, limits }),
  })
}
