import { type Carillon, CarillonError, type Identity } from 'carillon'
import type { Action } from '../../../src/access/action.ts'
import type { Asked } from './operations.ts'
import { ANSWERED, type Outcome } from './transports.ts'

/** A method of the library, with what it needs of whom it is called for. */
export interface LibraryOperation {
  readonly name: keyof Carillon
  /** Where a method is there more than once. */
  readonly remark?: string
  readonly needs: readonly Action[]
  /** Whether it is for several topics. */
  readonly isLive?: boolean
  readonly call: (carillon: Carillon, as: Identity, asked: Asked) => Promise<unknown>
}

interface Closable {
  return(): Promise<unknown>
}

export const LIBRARY: readonly LibraryOperation[] = [
  {
    name: 'publish',
    needs: ['PUBLISH'],
    call: (carillon, as, { topic, mark: type }) =>
      carillon.publish({ topic, type, payload: 1 }, { as }),
  },
  {
    name: 'publishMany',
    needs: ['PUBLISH'],
    call: (carillon, as, { topic, mark: type }) =>
      carillon.publishMany([{ topic, type, payload: 1 }], { as }),
  },
  {
    name: 'messages',
    needs: ['HISTORY'],
    call: (carillon, as, { topic }) => carillon.messages({ topic, last: 1 }, { as }),
  },
  live('subscribe', 'from now on', ['SUBSCRIBE'], (carillon, as, { target }) =>
    carillon.subscribe({ topics: [target] }, { as }),
  ),
  live('subscribe', 'after', ['SUBSCRIBE', 'HISTORY'], (carillon, as, { target, cursor }) =>
    carillon.subscribe({ topics: [target], after: [cursor] }, { as }),
  ),
  live('subscribe', 'last', ['SUBSCRIBE', 'HISTORY'], (carillon, as, { target }) =>
    carillon.subscribe({ topics: [target], last: 1 }, { as }),
  ),
  live('subscribe', 'consumer', ['SUBSCRIBE', 'HISTORY'], (carillon, as, { target }) =>
    carillon.subscribe({ topics: [target], consumer: 'never acknowledged' }, { as }),
  ),
  live('events', 'from now on', ['SUBSCRIBE'], (carillon, as, { target }) =>
    carillon.events({ topics: [target] }, { as }),
  ),
  live('events', 'snapshot', ['SUBSCRIBE', 'HISTORY'], (carillon, as, { target }) =>
    carillon.events({ topics: [target], snapshot: true }, { as }),
  ),
  live('presence', 'watch', ['PRESENCE'], (carillon, as, { target }) =>
    carillon.presence({ topics: [target] }, { as }),
  ),
  live('presence', 'enter', ['PRESENCE'], (carillon, as, { target, mark: state }) =>
    carillon.presence({ topics: [target], enter: { state } }, { as }),
  ),
  {
    name: 'ack',
    needs: ['ACK'],
    call: (carillon, as, { topic, mark: consumer }) =>
      carillon.ack({ topic, consumer, sequence: 1 }, { as }),
  },
  {
    name: 'consume',
    needs: ['SUBSCRIBE', 'HISTORY', 'ACK'],
    isLive: true,
    call: async (carillon, as, { target, mark: consumer }) => {
      const consuming = { topics: [target], consumer, handler: () => {} }
      const consumption = await carillon.consume(consuming, { as })
      await consumption.stop()
    },
  },
  {
    name: 'catchUp',
    needs: ['SUBSCRIBE', 'HISTORY'],
    isLive: true,
    call: async (carillon, as, { target, mark: consumer }) => {
      for await (const _batch of carillon.catchUp({ topics: [target], consumer }, { as })) return
    },
  },
  {
    name: 'deadLetters',
    needs: ['ACK', 'HISTORY'],
    call: (carillon, as, { topic }) => carillon.deadLetters({ topic }, { as }),
  },
  {
    name: 'replayDeadLetters',
    needs: ['ACK'],
    call: (carillon, as, { topic, mark }) =>
      carillon.replayDeadLetters({ topic, consumer: failing(mark) }, { as }),
  },
  {
    name: 'discardDeadLetters',
    needs: ['ACK'],
    call: (carillon, as, { topic, mark }) =>
      carillon.discardDeadLetters({ topic, consumer: failing(mark) }, { as }),
  },
  {
    name: 'members',
    needs: ['PRESENCE'],
    call: (carillon, as, { topic }) => carillon.members(topic, { as }),
  },
  {
    name: 'updatePresence',
    needs: ['PRESENCE'],
    call: (carillon, as, { topic, mark: state }) =>
      carillon.updatePresence({ topic, state }, { as }),
  },
  {
    name: 'saveSnapshot',
    needs: ['ADMIN'],
    call: (carillon, as, { topic, mark: state }) =>
      carillon.saveSnapshot({ topic, sequence: state === 'denied' ? 2 : 1, state }, { as }),
  },
  {
    name: 'snapshot',
    needs: ['HISTORY'],
    call: (carillon, as, { topic }) => carillon.snapshot(topic, { as }),
  },
  {
    name: 'purgeTopic',
    needs: ['ADMIN'],
    call: (carillon, as, { topic, mark }) => {
      const options = mark === 'denied' ? {} : { expectedEpoch: '000000000000' }
      return carillon.purgeTopic(topic, { as, ...options })
    },
  },
]

export async function callLibrary(
  { call }: LibraryOperation,
  carillon: Carillon,
  { as, asked }: { readonly as: Identity; readonly asked: Asked },
): Promise<Outcome> {
  try {
    await call(carillon, as, asked)
    return ANSWERED
  } catch (error) {
    if (error instanceof CarillonError) return error.code
    throw error
  }
}

/** Opened, and closed again. */
function live(
  name: keyof Carillon,
  remark: string,
  needs: readonly Action[],
  open: (carillon: Carillon, as: Identity, asked: Asked) => Promise<Closable>,
): LibraryOperation {
  const call: LibraryOperation['call'] = async (carillon, as, asked) => {
    const opened = await open(carillon, as, asked)
    await opened.return()
  }
  return { name, remark, needs, isLive: true, call }
}

function failing(mark: Asked['mark']): string {
  return mark === 'denied' ? 'mailer' : 'nobody'
}
