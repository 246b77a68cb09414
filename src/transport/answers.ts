import type { Connection } from './connection.ts'
import type { Intake } from './intake.ts'
import type { Reader } from './reader.ts'

/** Queries and mutations of one connection that are answered at the same time; of more, the next are not read. */
const ANSWERS_AT_ONCE = 32

/** Of these, as long as others ask for something, too: what they publish stands behind fewer in the database. */
const ANSWERS_WHERE_SHARED = 10

/** Queries and mutations under way, each until its answer has been sent. */
export class Answers {
  readonly #intake: Pick<Intake, 'isSharedBeside'>
  readonly #awaited = new Set<Promise<void>>()

  constructor(intake: Pick<Intake, 'isSharedBeside'>) {
    this.#intake = intake
  }

  /** Nothing more is read from a client that has too many. */
  expect(connection: Connection, id: string): void {
    const { inbox, reader } = connection
    if (inbox === undefined) return
    const answered = inbox.ended(id).finally(() => {
      this.#awaited.delete(answered)
      if (--connection.answering < this.#atOnce(reader)) reader.release()
    })
    this.#awaited.add(answered)
    if (++connection.answering >= this.#atOnce(reader)) reader.hold()
  }

  /** Resolves when all of them have been sent, or after so many milliseconds: a client may not read its answers. */
  async sent(withinMs: number): Promise<void> {
    let impatient: NodeJS.Timeout | undefined
    const tooLate = new Promise<void>((resolve) => {
      impatient = setTimeout(resolve, withinMs)
    })
    await Promise.race([Promise.all(this.#awaited), tooLate])
    clearTimeout(impatient)
  }

  #atOnce(reader: Reader): number {
    return this.#intake.isSharedBeside(reader) ? ANSWERS_WHERE_SHARED : ANSWERS_AT_ONCE
  }
}
