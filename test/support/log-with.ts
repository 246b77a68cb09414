import type { Log } from '../../src/log/log.ts'

/** A log with some methods in place of its own. */
export function logWith(log: Log, methods: Partial<Log>): Log {
  return {
    append: (drafts) => log.append(drafts),
    page: (query) => log.page(query),
    read: (...args) => log.read(...args),
    message: (...args) => log.message(...args),
    topic: (name) => log.topic(name),
    topicStates: (names) => log.topicStates(names),
    topics: (query) => log.topics(query),
    purge: (...args) => log.purge(...args),
    changeEpoch: (known) => log.changeEpoch(known),
    ping: () => log.ping(),
    close: () => log.close(),
    ...methods,
  }
}
