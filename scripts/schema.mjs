// Prints the schema into schema.graphql; with --check it only says whether the file is true.
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

build()
const { printedSchema } = await import('../dist/graphql/schema.js')
const file = fileURLToPath(new URL('../schema.graphql', import.meta.url))
const printed = printedSchema()

if (!process.argv.includes('--check')) writeFileSync(file, printed)
else if (readFileSync(file, 'utf8') !== printed) {
  process.stderr.write('schema.graphql is not what the code says: run npm run schema.\n')
  process.exit(1)
}
