import { existsSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { serveExample } from '../support/example-page.ts'
import { codeBlocks, ROOT, readPage } from '../support/markdown.ts'

/** Those that serve a page. */
const examples = readdirSync(`${ROOT}examples`).filter((name) =>
  existsSync(`${ROOT}examples/${name}/serve.mjs`),
)

test.each(examples)('the command of examples/%s prints what its README says', async (example) => {
  await using served = await serveExample(example)
  const page = readPage(`examples/${example}/README.md`)
  const written = codeBlocks(page).find(({ language }) => language === 'text')
  const onAnyPort = (text = '') => text.replace(/:\d+\//, ':<port>/')
  expect(onAnyPort(served.printed)).toBe(`${onAnyPort(written?.text)}\n`)
})

test.each(examples)('the page of examples/%s has all that it refers to', async (example) => {
  await using served = await serveExample(example)
  const reached = new Set<string>([served.url])
  for (const url of reached) {
    const response = await fetch(url)
    expect({ url, status: response.status }).toEqual({ url, status: 200 })
    for (const reference of referencesOf(await response.text())) {
      reached.add(new URL(reference, url).href)
    }
  }
  expect([...reached].filter((url) => url.endsWith('.js')).length).toBeGreaterThan(1)
})

test.each(examples)('the server of examples/%s serves nothing else', async (example) => {
  await using served = await serveExample(example)
  for (const path of [
    'serve.mjs',
    'nothing.js',
    '..%2f..%2fpackage.json',
    'graphql-ws/..%2fx.js',
  ]) {
    const { status } = await fetch(served.url + path)
    expect({ path, status }).toEqual({ path, status: 404 })
  }
})

test.each(examples)('the README of examples/%s is short', (example) => {
  const lines = readPage(`examples/${example}/README.md`).text.trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(40)
})

/** What HTML and modules load: also the file behind the name of a package. */
function referencesOf(text: string): readonly string[] {
  const patterns = [/(?:href|src)="((?!data:)[^"]+)"/g, /from '(\.[^']+)'/g, /"(\/[^"]+\.js)"/g]
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, name = '']) => name))
}
