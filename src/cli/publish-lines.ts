import type { Message, PublishOptions } from '../client/index.ts'
import { Failure } from './failure.ts'
import { failureOf } from './failure-of.ts'
import { printPatiently } from './output.ts'
import type { Session } from './session.ts'
import { type Line, stdinLines } from './stdin.ts'
import { jsonLine } from './visible-text.ts'

export interface LinePublisherParts {
  readonly session: Session
  readonly topic: string
  readonly options: PublishOptions
  /** The payload of a line. @throws UsageError */
  readonly parse: (text: string) => unknown
  /** Whether each message is printed. */
  readonly json: boolean
}

/** Lines that are on their way at once, at most: the next one is read when one of them is answered. */
const MAX_IN_FLIGHT = 256

/** Publishes each line of standard input, in order, until one is refused. */
export class LinePublisher {
  readonly #parts: LinePublisherParts
  readonly #inFlight = new Set<Promise<void>>()
  readonly #failing = new AbortController()
  #published = 0
  #last: Message | undefined

  constructor(parts: LinePublisherParts) {
    this.#parts = parts
  }

  /** @throws Failure which line it was; those in front of it, and some behind it, may be published */
  async run(): Promise<void> {
    const { session, json, topic } = this.#parts
    const { signal: failing } = this.#failing
    try {
      for await (const line of stdinLines(AbortSignal.any([session.signal, failing]))) {
        this.#start(line)
        if (this.#inFlight.size >= MAX_IN_FLIGHT) await Promise.race(this.#inFlight)
        if (failing.aborted) break
      }
    } catch (error) {
      if (!failing.aborted) throw error
    } finally {
      await Promise.all(this.#inFlight)
    }
    failing.throwIfAborted()
    if (!json) await printPatiently(summary(topic, this.#published, this.#last))
  }

  #start(line: Line): void {
    const work = this.#publish(line)
      .catch((error: unknown) => this.#failing.abort(this.#failureAt(line, error)))
      .finally(() => this.#inFlight.delete(work))
    this.#inFlight.add(work)
  }

  async #publish({ text }: Line): Promise<void> {
    const { session, topic, options, parse, json } = this.#parts
    const message = await session.client.topic(topic).publish(parse(text), options)
    this.#published++
    this.#last = message
    if (json) await printPatiently(`${jsonLine(message)}\n`)
  }

  /** The first one counts: a controller is aborted once. */
  #failureAt({ number }: Line, error: unknown): Error {
    const { target, client } = this.#parts.session
    const failure = failureOf(error, target, client.reason)
    if (!(failure instanceof Error)) return new Error(String(failure))
    const exitCode = failure instanceof Failure ? failure.exitCode : undefined
    return new Failure(`Line ${number}: ${failure.message}`, exitCode, { cause: error })
  }
}

function summary(topic: string, count: number, last: Message | undefined): string {
  const messages = count === 1 ? '1 message' : `${count} messages`
  const upTo = last?.sequence == null ? '' : `, up to ${last.sequence}`
  return `Published ${messages} to ${topic}${upTo}.\n`
}
