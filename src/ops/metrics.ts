import { Counter, Gauge, Registry } from 'prom-client'

/** What is counted; asked when someone looks. */
export interface MetricSources {
  presence(): PresenceCounts
  /** WebSockets and event streams that are open. */
  connections(): number
}

export interface PresenceCounts {
  readonly members: number
  readonly joins: number
  readonly leaves: number
  readonly expiredLeases: number
}

/** The metrics of one server, in the text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export class Metrics {
  readonly #registry = new Registry()
  readonly #limits = new Counter({
    name: 'carillon_limit_exceeded_total',
    help: 'Requests, connections and messages that were refused because of a limit.',
    labelNames: ['limit'],
    registers: [this.#registry],
  })

  constructor({ presence, connections }: MetricSources) {
    this.#gauge(
      'carillon_connections',
      'WebSockets and event streams of this instance.',
      connections,
    )
    this.#gauge(
      'carillon_presence_members',
      'Clients of this instance that are present.',
      () => presence().members,
    )
    this.#counter(
      'carillon_presence_joins_total',
      'Clients that have entered a topic.',
      () => presence().joins,
    )
    this.#counter(
      'carillon_presence_leaves_total',
      'Clients that have left a topic, or were lost.',
      () => presence().leaves,
    )
    this.#counter(
      'carillon_presence_expired_leases_total',
      'Leases of other instances that this one found run out.',
      () => presence().expiredLeases,
    )
  }

  /** @param limit the name of the limit that refused something */
  limitExceeded(limit: string): void {
    this.#limits.inc({ limit })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      ...{ name, help, registers: [this.#registry] },
      collect() {
        this.set(value())
      },
    })
  }

  /** Counted elsewhere: what is counted here is made the same. */
  #counter(name: string, help: string, value: () => number): void {
    new Counter({
      ...{ name, help, registers: [this.#registry] },
      collect() {
        this.reset()
        this.inc(value())
      },
    })
  }
}
