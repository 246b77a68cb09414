import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { cell, codeIn, ROOT, type Row, readPage, table } from './support/markdown.ts'

/** A statement may take several lines: its last one begins with a brace. */
const SPECIFIER =
  /^(?:import|export|\})[^'\n]* from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm

const page = readPage('docs/architecture.md')
const rooms = table(page, 'Room')
const packages = table(page, 'Package')
const exceptions = table(page, 'File')

/** One import of one file of src/. */
interface Import {
  /** The importing file, from src/. */
  readonly file: string
  /** Its room: a folder with its slash, or a file at the top of src/. */
  readonly room: string
  readonly specifier: string
  /** What is imported, from src/; undefined for a package. */
  readonly target: string | undefined
}

const imports = sources().flatMap(importsOf)

test('the table of rooms has every room of src/ and no other', () => {
  const actual = new Set(sources().map(roomOf))
  expect(rooms.map(nameOf).sort()).toEqual([...actual].sort())
})

test('the imports of src/ are read', () => {
  expect(imports.length).toBeGreaterThan(150)
  const missing = imports.filter(({ target }) => target !== undefined && !isSource(target))
  expect(missing.map(describe)).toEqual([])
})

test('a room imports no more than its row says', () => {
  const forbidden = imports.filter((one) => !isOwn(one) && !allowed(one) && !excepted(one))
  expect(forbidden.map(describe)).toEqual([])
})

test('every exception is needed', () => {
  const unneeded = exceptions.flatMap((row) => {
    const file = codeIn(cell(row, 'File')).join()
    const own = imports.filter((one) => one.file === file && !allowed(one))
    return codeIn(cell(row, 'Imports besides'))
      .filter((entry) => !own.some(({ target }) => target !== undefined && covers(entry, target)))
      .map((entry) => `${file} does not import ${entry}`)
  })
  expect(unneeded).toEqual([])
})

test('a package that belongs to a room is imported in this room only, and there', () => {
  for (const row of packages) {
    const [name = ''] = codeIn(cell(row, 'Package'))
    const users = imports.filter(({ specifier }) => packageOf(specifier) === name)
    const used = new Set(users.map(({ room }) => room))
    expect({ name, rooms: [...used] }).toEqual({ name, rooms: codeIn(cell(row, 'Only in')) })
  }
})

test('Prisma is imported only in rooms whose row says so', () => {
  const users = new Set(imports.filter(isPrisma).map(({ room }) => room))
  const permitted = rooms.filter((row) => /Prisma|everything/.test(cell(row, 'May import')))
  expect([...users].filter((room) => !permitted.map(nameOf).includes(room))).toEqual([])
})

test('a room that is safe in a browser imports nothing at all', () => {
  const safe = rooms.filter((row) => cell(row, 'May import') === 'nothing').map(nameOf)
  expect(safe).toContain('protocol/')
  const outside = imports.filter((one) => safe.includes(one.room) && !isOwn(one))
  expect(outside.map(describe)).toEqual([])
})

test('no rooms import one another in a circle', () => {
  const edges = new Map<string, Set<string>>()
  for (const { room, target } of imports) {
    if (target === undefined || roomOf(target) === room) continue
    edges.set(room, (edges.get(room) ?? new Set()).add(roomOf(target)))
  }
  const circles = [...edges.keys()].filter((room) => reaches(edges, room).has(room))
  expect(circles).toEqual([])
})

function nameOf(row: Row): string {
  return codeIn(cell(row, 'Room')).join()
}

/** The files of src/ that people wrote. */
function sources(): readonly string[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true })
    .map((name) => String(name).replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts') && !name.startsWith('generated/'))
}

function isSource(target: string): boolean {
  return statSync(join(ROOT, 'src', target), { throwIfNoEntry: false })?.isFile() === true
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/') + 1) : file
}

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(ROOT, 'src', file), 'utf8')
  return [...text.matchAll(SPECIFIER)].map(([, ...groups]) => {
    const specifier = groups.find((group) => group !== undefined) ?? ''
    const target = specifier.startsWith('.')
      ? normalize(join(dirname(file), specifier)).replaceAll('\\', '/')
      : undefined
    return { file, room: roomOf(file), specifier, target }
  })
}

function isOwn({ room, target }: Import): boolean {
  return target !== undefined && roomOf(target) === room && room.endsWith('/')
}

/** Packages have rules of their own, but where a room imports nothing. */
function allowed(one: Import): boolean {
  const row = rooms.find((candidate) => nameOf(candidate) === one.room)
  const words = row === undefined ? 'nothing' : cell(row, 'May import')
  if (words === 'everything') return true
  if (words === 'nothing') return false
  if (isPrisma(one)) return words.includes('Prisma')
  const { target } = one
  return target === undefined || codeIn(words).some((entry) => covers(entry, target))
}

function excepted({ file, target }: Import): boolean {
  const row = exceptions.find((candidate) => codeIn(cell(candidate, 'File')).includes(file))
  if (row === undefined || target === undefined) return false
  return codeIn(cell(row, 'Imports besides')).some((entry) => covers(entry, target))
}

function covers(entry: string, target: string): boolean {
  return entry.endsWith('/') ? target.startsWith(entry) : target === entry
}

function isPrisma({ specifier, target }: Import): boolean {
  if (target !== undefined) return target.startsWith('generated/')
  return specifier.startsWith('@prisma/') || specifier === 'pglite-prisma-adapter'
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

function reaches(edges: ReadonlyMap<string, ReadonlySet<string>>, start: string): Set<string> {
  const found = new Set<string>()
  const waiting = [...(edges.get(start) ?? [])]
  for (let room = waiting.pop(); room !== undefined; room = waiting.pop()) {
    if (found.has(room)) continue
    found.add(room)
    waiting.push(...(edges.get(room) ?? []))
  }
  return found
}

function describe({ file, specifier }: Import): string {
  return `${file} imports ${specifier}`
}
