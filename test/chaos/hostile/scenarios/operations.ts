import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { hostileParameters } from '../../../support/fuzz/operations.ts'
import { hostileText } from '../../../support/fuzz/values.ts'
import { ANSWER_MS, again, flood, isOver, openGreeted, post } from './attack.ts'
import type { Scenario, Target } from './scenario.ts'

/** So that no document was seen before. */
function unique(number: number): string {
  return `# ${process.pid} ${number}\n`
}

/** Documents, by HTTP and over WebSockets. */
function documents(target: Target, write: (number: number) => string): Promise<void> {
  return again(target, 8, async (number) => {
    const query = unique(number) + write(number)
    if (number % 2 === 0) await post(target, JSON.stringify({ query }))
    else await overSocket(target, query)
  })
}

async function overSocket(target: Target, query: string): Promise<void> {
  const socket = await openGreeted(target)
  socket.send({ id: '1', type: 'subscribe', payload: { query } })
  await Promise.race([
    socket.ended,
    sleep(ANSWER_MS),
    new Promise((resolve) => socket.socket.once('data', resolve)),
  ])
  socket.destroy()
}

function deep(depth: number): string {
  const open = 'topics(first: 1) { nodes { messages(first: 1) { nodes { payload } } } } '
  return `{ ${'__schema { types { fields { type { '.repeat(1)}${'ofType { '.repeat(depth)} name ${'} '.repeat(depth)} } } } } ${open} }`
}

export const DEEP_QUERIES: Scenario = {
  name: 'deep queries, each another one',
  defence: 'Refuses them before they are validated.',
  limits: ['queryDepth'],
  attack: (target) => documents(target, (number) => deep(60 + (number % 60))),
}

export const WIDE_QUERIES: Scenario = {
  name: 'wide queries of 1,900 fields that load, each another one',
  defence: 'Refuses them before they are run.',
  limits: ['queryCost'],
  attack: (target) =>
    documents(
      target,
      () =>
        `{ topics(first: 100) { nodes { ${'messages(last: 100) { nodes { id payload } } '.repeat(90)} } } }`,
    ),
}

export const ALIASED_QUERIES: Scenario = {
  name: '200 aliases in one query, each another one',
  defence: 'Refuses them before they are validated.',
  limits: ['queryAliases'],
  attack: (target) =>
    documents(target, (number) => {
      const field = (n: number) => `a${number}_${n}: viewer { userId }`
      return `{ ${Array.from({ length: 200 }, (_, n) => field(n)).join(' ')} }`
    }),
}

export const CYCLIC_FRAGMENTS: Scenario = {
  name: 'fragments in circles, and those that double at each step',
  defence:
    'Refuses circles, and what has too many fields once its fragments are counted where they stand.',
  limits: ['queryCost'],
  attack: (target) => documents(target, (number) => (number % 4 < 2 ? circle(200) : doubling(16))),
}

function circle(count: number): string {
  const fragment = (n: number) => `fragment F${n} on Query { ...F${(n + 1) % count} }`
  return `{ ...F0 } ${Array.from({ length: count }, (_, n) => fragment(n)).join(' ')}`
}

/** Each fragment has the next one twice: as many fields as 2 to the power of them. */
function doubling(count: number): string {
  const step = (n: number) => `fragment F${n} on Topic { ...F${n + 1} ...F${n + 1} }`
  const steps = Array.from({ length: count }, (_, n) => step(n)).join(' ')
  return `{ topic(name: "a") { ...F0 } } ${steps} fragment F${count} on Topic { messages { nodes { id } } }`
}

/** Bytes, at full size. */
const HUGE = 10 * 1024 * 1024

export const HUGE_QUERIES: Scenario = {
  name: 'queries of 10 MB',
  defence: 'Reads no further than the limit: HTTP 413, or close code 1009.',
  limits: ['bodyBytes', 'frameBytes'],
  attack: (target) => documents(target, () => `{ viewer { userId } } #${'a'.repeat(HUGE)}`),
}

const EVERYTHING =
  'subscription { messages(topics: ["crowd:*", "hostile:*"]) { sequence payload } }'

export const MANY_SUBSCRIPTIONS: Scenario = {
  name: 'one socket that subscribes 100,000 times',
  defence: 'Refuses those over the number and the rate; the others go on.',
  limits: ['operationsPerSocket'],
  async attack(target) {
    const socket = await openGreeted(target)
    const count = Math.ceil(100_000 * target.size)
    for (let id = 0; id < count && socket.isOpen && !isOver(target); id++) {
      socket.send({ id: String(id), type: 'subscribe', payload: { query: EVERYTHING } })
      if (id % 50 === 0) {
        await socket.drained()
        await sleep(0)
      }
    }
    while (!isOver(target)) await sleep(20)
    socket.destroy()
  },
}

export const NEVER_READS: Scenario = {
  name: '50 sockets that subscribe to everything and never read, and 1 MB a second for them',
  defence:
    'Stops at what a client may have waiting, goes on from the log, closes with 1013 after a minute.',
  limits: [],
  async attack(target) {
    const deaf = await Promise.all(Array.from({ length: 50 }, () => openDeaf(target)))
    const publisher = await openGreeted(target)
    const payload = 'x'.repeat(30_000)
    for (let id = 0; !isOver(target); id++) {
      publisher.send(publish(String(id), 'hostile:1', payload))
      await sleep(30)
    }
    for (const socket of [...deaf, publisher]) socket.destroy()
  },
}

async function openDeaf(target: Target) {
  const socket = await openGreeted(target)
  for (let id = 0; id < 5; id++) {
    socket.send({ id: String(id), type: 'subscribe', payload: { query: EVERYTHING } })
  }
  socket.socket.pause()
  return socket
}

const PUBLISH =
  'mutation ($input: PublishInput!) { publish(input: $input) { message { sequence } } }'

function publish(id: string, topic: string, payload: unknown) {
  const variables = { input: { topic, payload } }
  return { id, type: 'subscribe', payload: { query: PUBLISH, variables } }
}

export const SOCKET_PUBLISHER: Scenario = {
  name: 'a publisher at full speed over one socket',
  defence:
    'Reads no further while 10 of its publishes are under way, and leaves half of the process to others.',
  limits: [],
  attack: (target) =>
    flood(target, (number) =>
      publish(String(number), 'hostile:1', { number, text: 'x'.repeat(300) }),
    ),
}

export const HTTP_PUBLISHER: Scenario = {
  name: 'a publisher at full speed over HTTP, 64 requests at once',
  defence:
    'Takes all requests of one user or address as one, and leaves half of the process to others; a user that is known has a rate.',
  limits: [],
  attack: (target) =>
    again(target, 64, (number) => {
      const variables = {
        input: { topic: 'hostile:1', payload: { number, text: 'x'.repeat(300) } },
      }
      return post(target, JSON.stringify({ query: PUBLISH, variables }))
    }),
}

/** Drawn once: the same ones come again and again. */
const SAMPLES = 2_000

export const HOSTILE_TEXTS: Scenario = {
  name: '`__proto__`, SQL, Redis and what else texts can be, everywhere',
  defence: 'Keeps names apart from what they are kept in, and passes texts as parameters only.',
  limits: [],
  async attack(target) {
    const operations = fc.sample(hostileParameters, SAMPLES)
    const names = fc.sample(hostileText, SAMPLES)
    await again(target, 8, async (number) => {
      const payload = operations[number % SAMPLES]
      const name = names[number % SAMPLES] ?? ''
      if (number % 4 === 0) await post(target, JSON.stringify(payload))
      else await say(target, { name, payload })
    })
  },
}

interface Said {
  readonly name: string
  readonly payload: unknown
}

async function say(target: Target, { name, payload }: Said): Promise<void> {
  const socket = await openGreeted(target, { userId: name, clientId: name })
  socket.send({ id: name, type: 'subscribe', payload })
  await Promise.race([socket.ended, sleep(50)])
  socket.destroy()
}
