import type { RevocationRequest } from '../access/revocation.ts'
import { withAccess } from './access.ts'
import { asksForHelp, parseArguments, refuseMore } from './arguments.ts'
import { HELP } from './help.ts'
import { print } from './print.ts'
import { UsageError } from './usage-error.ts'

/** `carillon revoke …` */
export async function revoke(args: readonly string[]): Promise<void> {
  if (asksForHelp(args)) return print(HELP)
  const request = readRequest(args)
  const { kind, value, revokedAt } = await withAccess(({ revocations }) =>
    revocations.revoke(request),
  )
  const what =
    kind === 'token'
      ? `The token ${value}`
      : `What was issued to the ${kind} ${value} until ${revokedAt.toISOString()}`
  print(`${what} is revoked. Running servers refuse it within a second.\n`)
}

/** Each may come several times: a second one is not to be dropped without a word. */
function readRequest(args: readonly string[]): RevocationRequest {
  const { values, positionals } = parseArguments(args, {
    user: { type: 'string', multiple: true, default: [] },
    'token-id': { type: 'string', multiple: true, default: [] },
    client: { type: 'string', multiple: true, default: [] },
  })
  refuseMore(positionals)
  const [request, ...more] = [
    ...values.user.map((userId) => ({ userId })),
    ...values['token-id'].map((tokenId) => ({ tokenId })),
    ...values.client.map((clientId) => ({ clientId })),
  ]
  if (request !== undefined && more.length === 0) return request
  throw new UsageError('carillon revoke takes one of --user, --token-id and --client.')
}
