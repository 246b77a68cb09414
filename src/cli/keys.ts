import type { ApiKey } from '../access/api-key.ts'
import type { CreatedApiKey } from '../access/api-keys.ts'
import { withAccess } from './access.ts'
import { asksForHelp, parseArguments, refuseMore } from './arguments.ts'
import { parseExpiry } from './expiry.ts'
import { formatGrants, parseGrant } from './grants.ts'
import { HELP } from './help.ts'
import { note, print } from './print.ts'
import { formatTable } from './table.ts'
import { UsageError } from './usage-error.ts'

/** `carillon keys …` */
export async function keys(args: readonly string[]): Promise<void> {
  if (asksForHelp(args)) return print(HELP)
  const [command, ...rest] = args
  switch (command) {
    case 'create':
      return create(rest)
    case 'list':
      return list(rest)
    case 'revoke':
      return revoke(rest)
    default:
      throw new UsageError('carillon keys takes create, list or revoke; see carillon --help.')
  }
}

async function create(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArguments(args, {
    name: { type: 'string' },
    can: { type: 'string', multiple: true, default: [] },
    expires: { type: 'string' },
  })
  refuseMore(positionals)
  const { name, can, expires } = values
  if (name === undefined || can.length === 0) {
    throw new UsageError('carillon keys create needs --name and --can; see carillon --help.')
  }
  const capabilities = can.map(parseGrant)
  const expiry = expires === undefined ? {} : { expiresAt: parseExpiry(expires, Date.now()) }
  show(await withAccess((access) => access.keys.create({ name, capabilities, ...expiry })))
}

/** The key alone is the output, so that a script can take it. */
function show({ key, id, expiresAt }: CreatedApiKey): void {
  print(`${key}\n`)
  const until = expiresAt === null ? 'It does not expire.' : `It expires at ${instant(expiresAt)}.`
  note(`This is the key ${id}. It is not shown again. ${until}\n`)
}

async function list(args: readonly string[]): Promise<void> {
  refuseMore(parseArguments(args, {}).positionals)
  const all = await withAccess((access) => access.keys.list())
  if (all.length === 0) return print('There are no keys.\n')
  const titles = ['ID', 'NAME', 'CAN', 'CREATED', 'EXPIRES', 'STATE']
  print(formatTable([titles, ...all.map(rowOf)]))
}

function rowOf(key: ApiKey): readonly string[] {
  const { id, name, grants, createdAt, expiresAt } = key
  const expiry = expiresAt === null ? 'never' : instant(expiresAt)
  return [id, name, formatGrants(grants), instant(createdAt), expiry, stateOf(key)]
}

function stateOf({ expiresAt, revokedAt }: ApiKey): string {
  if (revokedAt !== null) return 'revoked'
  return expiresAt !== null && expiresAt.getTime() <= Date.now() ? 'expired' : 'active'
}

async function revoke(args: readonly string[]): Promise<void> {
  const [id, ...rest] = parseArguments(args, {}).positionals
  refuseMore(rest)
  if (id === undefined) throw new UsageError('carillon keys revoke needs the id of a key.')
  const isRevoked = await withAccess((access) => access.keys.revoke(id))
  // Without what was asked for: it may be a whole key by mistake.
  if (!isRevoked) throw new UsageError('There is no key with this id, or it was revoked before.')
  print(`The key ${id} is revoked. Running servers refuse it within a second.\n`)
}

/** To the second, which is enough for people. */
function instant(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}
