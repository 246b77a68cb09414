import { columnsOf, padded } from './visible-text.ts'

/** Rows of texts as lines, each column as wide as its longest text. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, text] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, columnsOf(text))
    }
  }
  const line = (row: readonly string[]) =>
    row.map((text, column) => padded(text, widths[column] ?? 0)).join('  ')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}
