import { readFile } from 'node:fs/promises'
import { asksForHelp, parseArguments, refuseMore } from './arguments.ts'
import { HELP } from './help.ts'
import { printPatiently } from './output.ts'
import { print } from './print.ts'

/** The one of this version, which is a part of the package. */
const FILE = new URL('../../schema.graphql', import.meta.url)

/** `carillon schema` */
export async function schema(args: readonly string[]): Promise<void> {
  if (asksForHelp(args)) return print(HELP)
  refuseMore(parseArguments(args, {}).positionals)
  await printPatiently(await readFile(FILE, 'utf8'))
}
