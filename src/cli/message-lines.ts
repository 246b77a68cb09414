import type { Message } from '../client/index.ts'
import { type Paint, paintFor } from './style.ts'
import { columnsOf, jsonLine, padded, shortened, visible } from './visible-text.ts'

/** What lines are made for. */
export interface View {
  /** The width of the terminal; undefined where there is none, and lines are as long as they are. */
  readonly columns: () => number | undefined
  readonly paint: Paint
}

/** Standard output, as it is at the moment. */
export function outputView(): View {
  const { stdout } = process
  return { columns: () => (stdout.isTTY ? stdout.columns : undefined), paint: paintFor(stdout) }
}

/** On a terminal, columns are no wider than this. */
const MAX_WIDTHS = { topic: 24, sequence: 16, from: 16, type: 20 } as const

/** On a terminal, payloads have this many columns at least: on a narrower one the lines wrap. */
const MIN_PAYLOAD = 20

const GAP = '  '

type Column = keyof typeof MAX_WIDTHS

/** Messages as lines in columns. What comes later is not known: a column grows with its texts. */
export class MessageLines {
  readonly #view: View
  readonly #widths: Record<Column, number> = { topic: 0, sequence: 3, from: 0, type: 0 }

  constructor(view: View) {
    this.#view = view
  }

  /** Makes room for messages that are known. */
  widen(messages: readonly Message[]): void {
    for (const message of messages) this.#widen(cellsOf(message))
  }

  line(message: Message): string {
    const cells = cellsOf(message)
    this.#widen(cells)
    const columns = this.#view.columns()
    const isTerminal = columns !== undefined
    const time = isTerminal ? localTime(message.publishedAt) : message.publishedAt
    const { paint } = this.#view
    const front = [
      paint('dim', time),
      paint('cyan', this.#fit('topic', cells)),
      paint('dim', this.#fit('sequence', cells)),
      paint('green', this.#fit('from', cells)),
      paint('yellow', this.#fit('type', cells)),
    ].join(GAP)
    const payload = jsonLine(message.payload)
    const room = isTerminal ? columns - this.#frontColumns(time) : Number.POSITIVE_INFINITY
    return `${front}${GAP}${shortenedTo(payload, Math.max(MIN_PAYLOAD, room))}\n`
  }

  #widen(cells: Record<Column, string>): void {
    const isTerminal = this.#view.columns() !== undefined
    for (const column of COLUMNS) {
      const wanted = Math.max(this.#widths[column], columnsOf(cells[column]))
      this.#widths[column] = isTerminal ? Math.min(wanted, MAX_WIDTHS[column]) : wanted
    }
  }

  #fit(column: Column, cells: Record<Column, string>): string {
    const width = this.#widths[column]
    const text = shortened(cells[column], width)
    return column === 'sequence' ? text.padStart(width) : padded(text, width)
  }

  #frontColumns(time: string): number {
    const widths = COLUMNS.map((column) => this.#widths[column] + GAP.length)
    return widths.reduce((sum, width) => sum + width, time.length + GAP.length)
  }
}

const COLUMNS: readonly Column[] = ['topic', 'sequence', 'from', 'type']

function cellsOf({ topic, sequence, from, type }: Message): Record<Column, string> {
  // An ephemeral message has no place in the log.
  return {
    topic: visible(topic),
    sequence: visible(String(sequence ?? '-')),
    from: visible(from),
    type: visible(type),
  }
}

function shortenedTo(text: string, columns: number): string {
  return Number.isFinite(columns) ? shortened(text, columns) : text
}

/** As clocks on the wall show it, without the year. */
export function localTime(instant: string): string {
  const date = new Date(instant)
  const day = [date.getMonth() + 1, date.getDate()].map(twoDigits).join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':')}`
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0')
}
