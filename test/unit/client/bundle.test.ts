import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'
import { expect, test } from 'vitest'
import { ROOT } from '../../support/markdown.ts'

/** What the client may weigh by itself, minified and gzipped, in bytes. */
const MAX_BYTES = 8 * 1024

/** What most pages import, as bundlers of browsers make it. */
async function bundle(names: string) {
  const entry = 'virtual:entry'
  const build = await rolldown({
    input: entry,
    platform: 'browser',
    external: /^graphql-ws/,
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === entry ? id : undefined),
        load: (id) =>
          id === entry
            ? `export { ${names} } from ${JSON.stringify(join(ROOT, 'src/client/index.ts'))}`
            : undefined,
      },
    ],
  })
  const { output } = await build.generate({ format: 'esm', minify: true })
  await build.close()
  return output[0]
}

test('the client weighs at most 8 KB without graphql-ws', async () => {
  const { code } = await bundle('createClient, CarillonError')
  expect(gzipSync(code, { level: 9 }).byteLength).toBeLessThanOrEqual(MAX_BYTES)
})

test('no code of the server, of Node or of graphql is in it', async () => {
  const { imports, moduleIds } = await bundle(
    'createClient, CarillonError, DOCUMENTS, Place, Places',
  )
  expect(imports).toEqual(['graphql-ws/client'])
  const foreign = moduleIds
    .filter((id) => id !== 'virtual:entry')
    .map((id) => id.slice(join(ROOT, 'src/').length))
    .filter((id) => !/^(client|protocol)\//.test(id))
  expect(foreign).toEqual([])
})
