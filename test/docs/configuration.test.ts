import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DEFAULT_LIMITS, LIMIT_NAMES, limitVariable } from '../../src/access/limits.ts'
import { readConfig } from '../../src/config.ts'
import { cell, codeIn, ROOT, type Row, readPage, table } from '../support/markdown.ts'

const rows = table(readPage('docs/getting-started.md'), 'Variable')

test('docs/getting-started.md has the variables that the configuration reads, no more and no less', () => {
  expect(rows.map(nameOf).sort()).toEqual([...variablesRead()].sort())
})

test('the help of the command line names every variable', () => {
  const help = readFileSync(`${ROOT}src/cli/help.ts`, 'utf8')
  expect(variablesRead().filter((name) => !help.includes(name))).toEqual([])
})

test.each(rows.map((row) => [nameOf(row), row] as const))(
  'the default of %s is the documented one',
  (name, row) => {
    const [value] = codeIn(cell(row, 'Default'))
    if (value === undefined) expect(cell(row, 'Default')).toBe('unset')
    else expect(readConfig({ [name]: value })).toEqual(readConfig({}))
    const hasDefault = value !== undefined
    expect(hasDefault).toBe(declarationOf(name).includes('.default('))
  },
)

test('docs/limits.md has the limits, their defaults and their variables, no more and no less', () => {
  const documented = table(readPage('docs/limits.md'), 'Limit').map((row) =>
    ['Limit', 'Default', 'Variable'].map((column) => codeIn(cell(row, column)).join()),
  )
  const limits = LIMIT_NAMES.map((name) => [
    name,
    String(DEFAULT_LIMITS[name]),
    limitVariable(name),
  ])
  expect(documented.sort()).toEqual(limits.sort())
})

function nameOf(row: Row): string {
  return codeIn(cell(row, 'Variable')).join()
}

/** The keys of the schema that the environment is checked with. */
function variablesRead(): readonly string[] {
  return [...environmentSchema().matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name = '']) => name)
}

function declarationOf(name: string): string {
  const [, rest = ''] = environmentSchema().split(`\n  ${name}:`)
  return rest.split(/\n {2}[A-Z_]+:/)[0] ?? ''
}

function environmentSchema(): string {
  const source = readFileSync(`${ROOT}src/config.ts`, 'utf8')
  const schema = /= z\.object\(\{([\s\S]*?)\n\}\)/.exec(source)?.[1]
  if (schema === undefined) throw new Error('src/config.ts has no schema of the environment.')
  return schema
}
