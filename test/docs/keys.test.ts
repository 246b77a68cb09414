import { expect, test } from 'vitest'
import { codeBlocks, readPage } from '../support/markdown.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { SHORT_LIVED_NODE } from '../support/prepared-node.ts'
import { run } from './program.ts'

const blocks = codeBlocks(readPage('docs/keys.md'))

/** A block of commands, and the one behind it: what they print. */
const examples = blocks.flatMap(({ language, text, line }, index) =>
  language === 'sh' ? [{ line, commands: text, output: blocks[index + 1]?.text }] : [],
)

const KEY = /carillon_(\w{12})_[\w-]{43}/

describeWithPostgresql('docs/keys.md', () => {
  test('has commands that print what is written, one after the other', async () => {
    await using database = await createDatabase()
    let id: string | undefined
    const writtenId = KEY.exec(examples[0]?.output ?? '')?.[1] ?? ''
    expect(examples.length).toBeGreaterThan(3)
    for (const { line, commands, output } of examples) {
      const script = commands.replaceAll(
        'npx carillon',
        `node ${SHORT_LIVED_NODE.join(' ')} dist/cli.js`,
      )
      const own = `export DATABASE_URL='${database.url}'\n${script.replaceAll(writtenId, id ?? '')}`
      await using shell = run('bash', ['-ec', own])
      const printed = await shell.finished()
      id ??= KEY.exec(printed)?.[1]
      expect({ line, printed: abstract(printed, id) }).toEqual({
        line,
        printed: abstract(`${output}\n`, writtenId),
      })
    }
  }, 120_000)
})

/** Without what differs from run to run. */
function abstract(text: string, id = ''): string {
  return text
    .replace(KEY, '<key>')
    .replaceAll(id, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<instant>')
}
