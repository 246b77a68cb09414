import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'
import { expect, test } from 'vitest'
import { ROOT } from '../../support/markdown.ts'

interface Door {
  readonly name: string
  /** The rooms of src/ that may be in it. */
  readonly rooms: readonly string[]
  /** The packages that the application has anyhow. */
  readonly packages: readonly string[]
  /** What it may weigh, minified and gzipped, in bytes. */
  readonly maxBytes: number
}

const DOORS: readonly Door[] = [
  {
    name: 'apollo',
    rooms: ['apollo', 'client', 'links', 'protocol'],
    packages: ['@apollo/client', '@apollo/client/errors', 'rxjs'],
    maxBytes: 6 * 1024,
  },
  {
    name: 'urql',
    rooms: ['client', 'links', 'protocol', 'urql'],
    packages: ['@urql/core', 'wonka'],
    maxBytes: 6 * 1024,
  },
  {
    name: 'react',
    rooms: ['client', 'protocol', 'react'],
    packages: ['react'],
    maxBytes: 5 * 1024,
  },
]

/** As bundlers of browsers make it. */
async function bundle(name: string) {
  const build = await rolldown({
    input: join(ROOT, 'src', name, 'index.ts'),
    platform: 'browser',
    external: /^[^./]/,
    // What a bundle of its own drops, `use client`, those of applications see.
    onLog: (level, log, report) => log.code === 'MODULE_LEVEL_DIRECTIVE' || report(level, log),
  })
  const { output } = await build.generate({ format: 'esm', minify: true })
  await build.close()
  return output[0]
}

test.each(DOORS)('carillon/$name has no code of the server in it, and is small', async (door) => {
  const { code, imports, moduleIds } = await bundle(door.name)
  const rooms = moduleIds
    .map((id) => id.slice(join(ROOT, 'src/').length))
    .filter((id) => !id.startsWith('\0') && id !== '')
    .map((id) => id.slice(0, id.indexOf('/')))
  expect([...new Set(rooms)].filter((room) => !door.rooms.includes(room))).toEqual([])
  expect(imports.toSorted()).toEqual(door.packages)
  expect(gzipSync(code, { level: 9 }).byteLength).toBeLessThanOrEqual(door.maxBytes)
})
