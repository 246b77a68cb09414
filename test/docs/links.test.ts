import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { allPages, type Page, prose, ROOT } from '../support/markdown.ts'

const pages = allPages()

test('every relative link of the documentation leads to a file', () => {
  const broken = links().filter(({ file }) => !existsSync(join(ROOT, file)))
  expect(broken.map(describeLink)).toEqual([])
})

test('every link to a section of the documentation leads to a heading', () => {
  const broken = links().filter(({ file, anchor }) => {
    const page = pages.find(({ path }) => path === file)
    return anchor !== undefined && page !== undefined && !anchors(page).includes(anchor)
  })
  expect(broken.map(describeLink)).toEqual([])
})

test('every page of docs/ is linked to by another page', () => {
  const reached = new Set(
    links()
      .filter(({ from, file }) => from !== file)
      .map(({ file }) => file),
  )
  const inDocs = pages.map(({ path }) => path).filter((path) => path.startsWith('docs/'))
  expect(inDocs.filter((path) => !reached.has(path))).toEqual([])
})

interface Link {
  readonly from: string
  readonly target: string
  /** From the root of the repository. */
  readonly file: string
  readonly anchor: string | undefined
}

function links(): readonly Link[] {
  return pages.flatMap((page) =>
    [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => readLink(page.path, target)),
  )
}

function readLink(from: string, target: string): Link {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? from : normalize(join(dirname(from), path))
  return { from, target, file, anchor }
}

function describeLink({ from, target }: Link): string {
  return `${from}: ${target}`
}

/** As GitHub makes them of headings. */
function anchors(page: Page): readonly string[] {
  return [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
