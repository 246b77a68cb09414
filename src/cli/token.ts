import { randomUUID } from 'node:crypto'
import type { CapabilityGrant } from '../access/capabilities.ts'
import { readConfig } from '../config.ts'
import { asksForHelp, parseArguments, refuseMore } from './arguments.ts'
import { TOKEN_HELP } from './client-help.ts'
import { parseExpiry } from './expiry.ts'
import { parseGrant } from './grants.ts'
import { note, print } from './print.ts'
import { UsageError } from './usage-error.ts'

const EVERYTHING: readonly CapabilityGrant[] = [{ topics: '*', actions: ['*'] }]

/** `carillon token …` */
export async function token(args: readonly string[]): Promise<void> {
  if (asksForHelp(args)) return print(TOKEN_HELP)
  const { values, positionals } = parseArguments(args, {
    user: { type: 'string' },
    can: { type: 'string', multiple: true, default: [] },
    expires: { type: 'string', default: '1h' },
    client: { type: 'string' },
  })
  refuseMore(positionals)
  const { user: userId, can, expires, client: clientId } = values
  if (userId === undefined) throw new UsageError('carillon token needs --user.')
  const grants = can.length === 0 ? EVERYTHING : can.map(parseGrant)
  const expiresAt = parseExpiry(expires, Date.now())
  if (expiresAt.getTime() <= Date.now()) throw new UsageError('--expires has to be in the future.')
  const { jwt } = readConfig(process.env)
  if (jwt?.secret === undefined) throw noSecret()
  const { signToken } = await import('../access/sign-token.ts')
  const claims = { userId, clientId, grants, expiresAt, tokenId: randomUUID() }
  // The token alone is the output, so that a script can take it.
  print(`${await signToken(claims, { ...jwt, secret: jwt.secret })}\n`)
  const until = `${expiresAt.toISOString().slice(0, 19)}Z`
  note(`This is a token of ${userId} until ${until}, with the id ${claims.tokenId}.\n`)
}

function noSecret(): UsageError {
  return new UsageError(
    'Set CARILLON_JWT_SECRET to that of the server. A server without one is open, or has tokens that others issue.',
  )
}
