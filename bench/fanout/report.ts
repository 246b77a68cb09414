import { type Cell, format, printMarkdown, printTable } from '../support/table.ts'
import type { Delivery } from './delivery.ts'
import { PEER_TITLES } from './peers/peer.ts'
import type { Results } from './results.ts'
import { isSameTraffic, verdictsOf } from './verdicts.ts'

interface Table {
  readonly title: string
  readonly rows: readonly Readonly<Record<string, Cell>>[]
}

/** Prints all tables but those of parts that did not run. */
export function report(results: Results, { markdown }: { readonly markdown: boolean }): void {
  const print = markdown ? printMarkdown : printTable
  for (const { title, rows } of tablesOf(results)) if (rows.length > 0) print(title, rows)
}

function tablesOf(results: Results): readonly Table[] {
  return [
    ...deliveryTables(results.deliveries),
    selectionTable(results),
    memoryTable(results),
    slowReaderTable(results),
    churnTable(results),
    twoInstancesTable(results),
    verdictTable(results),
  ]
}

function deliveryTables(deliveries: readonly Delivery[]): readonly Table[] {
  const sizes = new Map<string, Delivery[]>()
  for (const delivery of deliveries) {
    const title = `${format(delivery.clients)} subscribers, ${format(delivery.frameBytes)} bytes`
    sizes.set(title, [...(sizes.get(title) ?? []), delivery])
  }
  return [...sizes].map(([title, rows]) => ({
    title: `fanout: server CPU, µs a delivery; ${title}`,
    rows: rows.filter(({ perTick }) => perTick === 1).map((row) => deliveryRow(row, rows)),
  }))
}

function deliveryRow(one: Delivery, rows: readonly Delivery[]): Record<string, Cell> {
  const ten = rows.find(({ peer, perTick }) => peer === one.peer && perTick > 1) ?? one
  return {
    server: PEER_TITLES[one.peer],
    'one a tick': one.gross,
    net: one.net,
    '× bare': one.gross / bareOf(one, rows),
    'ten a tick': ten.gross,
    'net ': ten.net,
    '× bare ': ten.gross / bareOf(ten, rows),
    'load CPU': percent(Math.max(one.loadBusy, ten.loadBusy)),
  }
}

function bareOf(delivery: Delivery, rows: readonly Delivery[]): number {
  const bare = rows.find((row) => row.peer === 'bare' && isSameTraffic(row, delivery))
  return bare?.gross ?? Number.NaN
}

function selectionTable({ selections }: Results): Table {
  const first = selections.filter(({ perTick }) => perTick === 1)
  return {
    title: 'selection sets: server CPU of Carillon, µs a delivery',
    rows: first.map(({ sets, clients, gross }) => ({
      'selection sets': sets,
      subscribers: clients,
      'one a tick': gross,
      'ten a tick':
        selections.find((row) => row.sets === sets && row.perTick > 1)?.gross ?? Number.NaN,
    })),
  }
}

function memoryTable({ memory }: Results): Table {
  return {
    title: 'memory of an idle subscriber, KB',
    rows: memory.map(({ peer, clients, heapAndExternal, rss, kernel }) => ({
      server: PEER_TITLES[peer],
      subscribers: clients,
      'heap and external': heapAndExternal / 1_024,
      RSS: rss / 1_024,
      'kernel, both ends': kernel === null ? 'not readable' : kernel / 1_024,
    })),
  }
}

function slowReaderTable({ slowReaders }: Results): Table {
  return {
    title: 'slow readers',
    rows: slowReaders.map((row) => ({
      server: PEER_TITLES[row.peer],
      subscribers: row.clients,
      'stop reading': row.stalled,
      'messages/s': row.perSecond,
      bytes: row.frameBytes,
      'p50 ms': row.p50,
      'p99 ms': row.p99,
      'all arrived': row.kept === 1 ? 'yes' : 'no',
      'RSS MB': megabytes(row.rssBefore),
      'peak MB': megabytes(row.peakRss),
      'unread MB': megabytes(row.unread),
      'load CPU': percent(row.loadBusy),
    })),
  }
}

function churnTable({ churn }: Results): Table {
  return {
    title: 'churn: subscriptions started and stopped',
    rows: churn.map(({ peer, clients, perSecond, micros, loadBusy }) => ({
      server: PEER_TITLES[peer],
      clients,
      'per second': perSecond,
      'CPU µs': micros,
      'load CPU': percent(loadBusy),
    })),
  }
}

function twoInstancesTable({ twoInstances }: Results): Table {
  return {
    title: 'two instances over Redis: from publishing to delivery, ms',
    rows: twoInstances.map((row) => ({
      server: PEER_TITLES[row.peer],
      subscribers: row.clients,
      'messages/s': row.perSecond,
      'local p50': row.localP50,
      'local p99': row.localP99,
      'remote p50': row.remoteP50,
      'remote p99': row.remoteP99,
      'all arrived': row.complete === 1 ? 'yes' : 'NO',
      'load CPU': percent(row.loadBusy),
    })),
  }
}

function verdictTable(results: Results): Table {
  return {
    title: 'targets',
    rows: verdictsOf(results).map(({ target, atMost, measured }) => ({
      target,
      'at most': atMost,
      measured,
      verdict: measured <= atMost ? 'met' : 'MISSED',
    })),
  }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function megabytes(bytes: number): number {
  return bytes / 1_024 / 1_024
}
