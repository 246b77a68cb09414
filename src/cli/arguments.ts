import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'

type Options = NonNullable<ParseArgsConfig['options']>

/** @throws UsageError */
export function parseArguments<const T extends Options>(
  args: readonly string[],
  options: T,
): ReturnType<typeof parseArgs<{ args: string[]; allowPositionals: true; options: T }>> {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const [line] = error.message.split('\n')
    throw new UsageError(`${line} See carillon --help.`)
  }
}

/** @throws UsageError where there are more arguments than a command takes */
export function refuseMore(rest: readonly string[]): void {
  if (rest.length > 0) throw new UsageError(`${rest.join(' ')} is too much; see carillon --help.`)
}

/** Whether somebody asks how a command is used. */
export function asksForHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-h')
}
