import type { Message } from '../client/index.ts'
import { MessageLines, outputView } from './message-lines.ts'
import { printPatiently } from './output.ts'
import { jsonLine } from './visible-text.ts'

/** Prints messages on standard output: as JSON, one a line, or in columns. */
export class MessageOutput {
  readonly #lines: MessageLines | undefined

  constructor({ json }: { readonly json: boolean }) {
    this.#lines = json ? undefined : new MessageLines(outputView())
  }

  /** Makes columns wide enough for all of them. */
  prepare(messages: readonly Message[]): void {
    this.#lines?.widen(messages)
  }

  /** Resolves when the reader has room for more. */
  print(message: Message): Promise<void> {
    return printPatiently(this.#lines?.line(message) ?? `${jsonLine(message)}\n`)
  }
}
