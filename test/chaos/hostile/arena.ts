import { setTimeout as sleep } from 'node:timers/promises'
import type { CarillonOptions } from 'carillon'
import { type Child, startChild } from './child.ts'
import type { CrowdReport } from './crowd.ts'
import type { Scenario } from './scenarios/scenario.ts'

export interface ArenaOptions {
  readonly server: CarillonOptions
  readonly subscribers: number
  /** Messages that the well-behaved publisher publishes in a second. */
  readonly perSecond: number
}

export interface Pace {
  readonly calmMs: number
  readonly attackMs: number
  /** How often the attack may be repeated until the limits of its scenario are reached: a busy machine is slow at it. Default 0. */
  readonly repeats?: number
  /** How much of everything: 1 is what the names of the scenarios say. */
  readonly size: number
}

/** How the server fared in one phase. */
export interface ServerReport {
  readonly rss: number
  readonly peakRss: number
  /** Of the event loop's delay, in milliseconds. */
  readonly loopP99: number
  readonly loopMax: number
  /** What it has logged as a warning or an error. */
  readonly complaints: readonly string[]
}

interface Phase {
  readonly crowd: CrowdReport
  readonly server: ServerReport
}

export interface Outcome {
  readonly scenario: Scenario
  readonly calm: Phase
  readonly attacked: Phase
  /** What the server did to the attacker, and how often. */
  readonly answers: Readonly<Record<string, number>>
  /** Limits that the server has named or counted. */
  readonly limits: readonly string[]
}

/** A server, its well-behaved clients and an attacker, each in a process of its own. */
export class Arena implements AsyncDisposable {
  readonly #port: number
  readonly #server: Child<{ readonly port: number }>
  readonly #crowd: Child<object>
  readonly #attacker: Child<object>

  private constructor(children: readonly [Child<{ port: number }>, Child<object>, Child<object>]) {
    ;[this.#server, this.#crowd, this.#attacker] = children
    this.#port = this.#server.ready.port
  }

  static async open({ server: options, subscribers, perSecond }: ArenaOptions): Promise<Arena> {
    const server = await startChild<{ port: number }>('server-process.mjs', options)
    const { port } = server.ready
    const attacker = await startChild<object>('attacker-process.ts', { port })
    const crowd = await startChild<object>('crowd-process.ts', { port, subscribers, perSecond })
    return new Arena([server, crowd, attacker])
  }

  /** Leaves them alone for a while, then attacks. */
  async run(scenario: Scenario, { calmMs, attackMs, size, repeats = 0 }: Pace): Promise<Outcome> {
    const before = await this.#limits()
    const calm = await this.#phase(() => sleep(calmMs))
    const answers: Record<string, number> = {}
    let limits: ReadonlySet<string> = new Set()
    const attacked = await this.#phase(async () => {
      for (let attacks = 0; attacks <= repeats; attacks++) {
        const order = { name: scenario.name, ms: attackMs, size }
        const counts = await this.#attacker.ask<Readonly<Record<string, number>>>('attack', order)
        for (const [text, count] of Object.entries(counts)) {
          answers[text] = (answers[text] ?? 0) + count
        }
        limits = await this.#reached(before, answers)
        if (scenario.limits.every((name) => limits.has(name))) break
      }
    })
    return { scenario, calm, attacked, answers, limits: [...limits] }
  }

  /** The limits that have refused something since they were counted before, or that an answer names. */
  async #reached(
    before: ReadonlyMap<string, number>,
    answers: Readonly<Record<string, number>>,
  ): Promise<ReadonlySet<string>> {
    const after = await this.#limits()
    const counted = [...after].filter(([name, count]) => count > (before.get(name) ?? 0))
    const named = Object.keys(answers).flatMap((text) => /limit (\w+)/.exec(text)?.[1] ?? [])
    return new Set([...counted.map(([name]) => name), ...named])
  }

  /** What has not come by now is lost. */
  finish(): Promise<CrowdReport> {
    return this.#crowd.ask('finish')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#attacker[Symbol.asyncDispose]()
    await this.#crowd[Symbol.asyncDispose]()
    await this.#server[Symbol.asyncDispose]()
  }

  async #phase(work: () => Promise<unknown>): Promise<Phase> {
    await Promise.all([this.#server.ask('begin'), this.#crowd.ask('begin')])
    await work()
    const [server, crowd] = await Promise.all([
      this.#server.ask<ServerReport>('report'),
      this.#crowd.ask<CrowdReport>('report'),
    ])
    return { server, crowd }
  }

  /** How often each limit has refused something. */
  async #limits(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`http://127.0.0.1:${this.#port}/metrics`)).text()
    const lines = text.matchAll(/^carillon_limit_exceeded_total\{limit="(\w+)"\} (\d+)/gm)
    return new Map([...lines].map(([, name = '', count]) => [name, Number(count)]))
  }
}
