import { vi } from 'vitest'
import { freePorts } from './free-port.ts'
import { type PrivateRedis, startPrivateRedis } from './redis.ts'

/** As in a URL it has to be encoded. */
const PASSWORD = 'p@ss/w:rd+%'

const SLOTS = 16_384

/** A Redis Cluster of three masters that belongs to one test. */
export interface PrivateRedisCluster extends AsyncDisposable {
  readonly url: string
  readonly password: string
  readonly nodes: readonly PrivateRedis[]
  /** Whether each node is connected to each other one. */
  isWhole(): Promise<boolean>
  /** A node that a subscriber is connected to; there has to be one. */
  nodeWithSubscriber(): Promise<PrivateRedis>
  /** Takes a node out of the Cluster; it goes on alone. */
  remove(node: PrivateRedis): Promise<void>
}

export async function startRedisCluster(): Promise<PrivateRedisCluster> {
  const [a = 0, b = 0, c = 0, ...busPorts] = await freePorts(6)
  const nodes = await Promise.all([a, b, c].map((port, n) => startNode(port, busPorts[n] ?? 0)))
  const isWhole = async () => (await Promise.all(nodes.map(seesAll))).every(Boolean)
  const dispose = async () => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
  }
  try {
    await Promise.all(nodes.map(takeSlots))
    await nodes[0]?.call('CLUSTER', 'MEET', '127.0.0.1', b, busPorts[1] ?? 0)
    await nodes[0]?.call('CLUSTER', 'MEET', '127.0.0.1', c, busPorts[2] ?? 0)
    await vi.waitUntil(isWhole, { timeout: 20_000 })
  } catch (error) {
    await dispose()
    throw error
  }
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`).join()
  return {
    url: `redis-cluster://:${encodeURIComponent(PASSWORD)}@${hosts}`,
    password: PASSWORD,
    nodes,
    isWhole,
    async nodeWithSubscriber() {
      for (const node of nodes) if (await node.hasSubscribers()) return node
      throw new Error('No node has a subscriber.')
    },
    async remove(node) {
      const id = String(await node.call('CLUSTER', 'MYID'))
      const others = nodes.filter((one) => one !== node)
      await Promise.all(others.map((other) => other.call('CLUSTER', 'FORGET', id)))
      await node.call('CLUSTER', 'RESET', 'HARD')
    },
    [Symbol.asyncDispose]: dispose,
  }
}

function startNode(port: number, busPort: number): Promise<PrivateRedis> {
  // The usual port of the cluster's bus, 10,000 above, may be taken or out of range.
  const config = ['cluster-enabled yes', `cluster-port ${busPort}`, 'cluster-node-timeout 2000']
  return startPrivateRedis({ port, config, password: PASSWORD })
}

async function takeSlots(node: PrivateRedis, index: number, { length }: readonly unknown[]) {
  const from = Math.floor((SLOTS * index) / length)
  const to = Math.floor((SLOTS * (index + 1)) / length) - 1
  await node.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
  await node.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
}

async function seesAll(node: PrivateRedis): Promise<boolean> {
  const info = String(await node.call('CLUSTER', 'INFO'))
  const lines = String(await node.call('CLUSTER', 'NODES'))
    .trim()
    .split('\n')
  const connected = lines.filter(
    (line) => / connected \d/.test(line) && !/fail|handshake/.test(line),
  )
  return info.includes('cluster_state:ok') && connected.length === 3
}
