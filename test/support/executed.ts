import { type ExecutionResult, execute } from 'graphql'
import { formatResult } from '../../src/graphql/errors.ts'
import type { LiveArgs } from '../../src/graphql/renderings.ts'

/** What GraphQL answers by itself, as it is sent. */
export async function executed(args: LiveArgs, rootValue: unknown): Promise<string> {
  const result: ExecutionResult = await execute({ ...args, rootValue })
  const formatted = formatResult(result, () => undefined)
  if (formatted === undefined) return JSON.stringify(result)
  const errors = formatted.errors?.map(({ locations: _, ...error }) => error)
  return JSON.stringify({ ...formatted, errors })
}
