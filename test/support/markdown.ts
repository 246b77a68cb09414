import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** A page of the documentation, by its path from the root of the repository. */
export interface Page {
  readonly path: string
  readonly text: string
}

/** A fenced block of code: the language, what stands behind it, the text between the fences. */
export interface CodeBlock {
  readonly language: string
  /** What the fence says behind the language: a mark for the tests, which nobody renders. */
  readonly mark: string
  readonly text: string
  /** Of the opening fence, counted from 1. */
  readonly line: number
}

export function readPage(path: string): Page {
  return { path, text: readFileSync(`${ROOT}${path}`, 'utf8') }
}

/** The pages at the root, in docs/ and docs/clients/, and of the examples. */
export function allPages(): readonly Page[] {
  const examples = readdirSync(`${ROOT}examples`).map((name) => `examples/${name}/`)
  const paths = ['', 'docs/', 'docs/clients/', ...examples].flatMap((folder) =>
    readdirSync(`${ROOT}${folder}`)
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}${name}`),
  )
  return paths.sort().map(readPage)
}

export function codeBlocks({ path, text }: Page): readonly CodeBlock[] {
  const blocks: CodeBlock[] = []
  let open: { language: string; mark: string; line: number; lines: string[] } | undefined
  for (const [index, content] of text.split('\n').entries()) {
    const fence = /^```(\w*) *(.*)$/.exec(content)
    if (fence === null) open?.lines.push(content)
    else if (open === undefined) {
      open = { language: fence[1] ?? '', mark: fence[2] ?? '', line: index + 1, lines: [] }
    } else {
      const { lines, ...rest } = open
      blocks.push({ ...rest, text: lines.join('\n') })
      open = undefined
    }
  }
  if (open !== undefined) throw new Error(`${path}:${open.line}: this fence is never closed.`)
  return blocks
}

/** The text without its fenced blocks. */
export function prose({ text }: Page): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, '')
}

/** A row of a table, by the titles of the columns. */
export type Row = Readonly<Record<string, string>>

/** The rows of the one table of a page whose first column has this title. */
export function table(page: Page, firstColumn: string): readonly Row[] {
  const lines = prose(page).split('\n')
  const start = lines.findIndex((line) => cellsOf(line)[0] === firstColumn)
  if (start === -1) throw new Error(`${page.path} has no table that begins with ${firstColumn}.`)
  const titles = cellsOf(lines[start] ?? '')
  const rows: Row[] = []
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break
    const cells = cellsOf(line)
    if (cells.length !== titles.length) throw new Error(`${page.path}: ${line} has other columns.`)
    rows.push(Object.fromEntries(titles.map((title, index) => [title, cells[index] ?? ''])))
  }
  return rows
}

function cellsOf(line: string): readonly string[] {
  if (!line.startsWith('|')) return []
  return line
    .slice(1, line.lastIndexOf('|'))
    .split('|')
    .map((cell) => cell.trim())
}

/** What stands in backticks in a cell. */
export function codeIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')
}

/** A cell of a table whose columns are known to be there. */
export function cell(row: Row, title: string): string {
  const value = row[title]
  if (value === undefined) throw new Error(`There is no column ${title}.`)
  return value
}
