import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { edited, MUTANTS } from '../../chaos/checker/mutants.ts'

const EDITS = MUTANTS.flatMap(({ name, edits }) => edits.map((edit) => ({ name, edit })))

test.each(EDITS)('the build has the place where a server $name: $edit.file', async ({ edit }) => {
  const text = await readFile(new URL(`../../../dist/${edit.file}`, import.meta.url), 'utf8')
  expect(edited(text, edit)).toContain(edit.replace)
})

test('an edit without its place is an error', () => {
  const edit = { file: 'a.js', find: 'old', replace: 'new' }
  expect(edited('the old text', edit)).toBe('the new text')
  expect(() => edited('the text', edit)).toThrow('a.js')
  expect(() => edited('old and old', edit)).toThrow('a.js')
})
