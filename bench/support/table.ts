import { largest } from './extremes.ts'

/** A value of a table: numbers stand at the right, texts at the left. */
export type Cell = string | number

/** Prints rows under their column names. */
export function printTable(title: string, table: readonly Readonly<Record<string, Cell>>[]): void {
  const columns = Object.keys(table[0] ?? {})
  const lines = [columns, ...table.map((row) => columns.map((name) => format(row[name] ?? '')))]
  const widths = columns.map((_, index) => largest(lines.map((line) => width(line[index]))))
  const isNumeric = columns.map((name) => table.every((row) => typeof row[name] === 'number'))
  console.log(`\n${title}\n`)
  lines.forEach((line, number) => {
    console.log(pad(line, widths, isNumeric))
    if (number === 0) console.log(widths.map((size) => '─'.repeat(size)).join('  '))
  })
  console.log()
}

/** The same as Markdown, for pasting. */
export function printMarkdown(
  title: string,
  table: readonly Readonly<Record<string, Cell>>[],
): void {
  const columns = Object.keys(table[0] ?? {})
  const isNumeric = (name: string) => table.every((row) => typeof row[name] === 'number')
  const lines = [
    columns,
    columns.map((name) => (isNumeric(name) ? '---:' : '---')),
    ...table.map((row) => columns.map((name) => format(row[name] ?? ''))),
  ]
  console.log(`\n${title}\n`)
  for (const line of lines) console.log(`| ${line.join(' | ')} |`)
  console.log()
}

/** Whole numbers from 100 up, else three digits that say something. */
export function format(value: Cell): string {
  if (typeof value === 'string') return value
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

function pad(
  line: readonly string[],
  widths: readonly number[],
  isNumeric: readonly boolean[],
): string {
  const cells = line.map((text, index) => {
    const size = widths[index] ?? 0
    return isNumeric[index] === true ? text.padStart(size) : text.padEnd(size)
  })
  return cells.join('  ').trimEnd()
}

function width(text: string | undefined): number {
  return text?.length ?? 0
}
