import type { PresenceChange, PresenceMember } from '../client/index.ts'
import { asksForHelp, parseArguments, refuseMore } from './arguments.ts'
import { PRESENCE_HELP } from './client-help.ts'
import { localTime, outputView } from './message-lines.ts'
import { printPatiently } from './output.ts'
import { print } from './print.ts'
import { type Session, withSession } from './session.ts'
import type { Colour, Paint } from './style.ts'
import { formatTable } from './table.ts'
import { TARGET_OPTIONS } from './target.ts'
import { readTopic } from './topics.ts'
import { jsonLine, shortened, visible } from './visible-text.ts'

const OPTIONS = {
  ...TARGET_OPTIONS,
  follow: { type: 'boolean', short: 'f', default: false },
  json: { type: 'boolean', default: false },
} as const

/** `carillon presence …` */
export async function presence(args: readonly string[]): Promise<void> {
  if (asksForHelp(args)) return print(PRESENCE_HELP)
  const { values, positionals } = parseArguments(args, OPTIONS)
  const [name, ...rest] = positionals
  refuseMore(rest)
  const topic = readTopic('presence', name)
  const { follow, json } = values
  await withSession(values, (session) =>
    follow ? printChanges(session, topic, json) : printMembers(session, topic, json),
  )
}

async function printMembers({ client, watch }: Session, topic: string, json: boolean) {
  using view = client.topic(topic).watch()
  const members = await watch.within(
    new Promise<readonly PresenceMember[]>((resolve) => view.onChange(resolve)),
  )
  if (json) await printPatiently(members.map((member) => `${jsonLine(member)}\n`).join(''))
  else await printPatiently(members.length === 0 ? 'Nobody is there.\n' : tableOf(members))
}

/** Until it is stopped. Each SYNC tells everyone who is there, in the beginning and when a connection was lost. */
async function printChanges({ client, watch, sockets }: Session, topic: string, json: boolean) {
  const { paint } = outputView()
  using view = client.topic(topic).watch()
  const first = new Promise<void>((resolve) => {
    view.onChange((_members, change) => {
      resolve()
      const printed = printPatiently(json ? `${jsonLine(change)}\n` : linesOf(change, paint))
      void sockets.pauseUntil(printed)
    })
  })
  await watch.within(first)
  await new Promise(() => {})
}

const TITLES = ['USER', 'CLIENTS', 'SINCE', 'STATE'] as const

/** A state has 4 KiB at most; more of it than this is not shown, in columns. */
const MAX_STATE = 80

function tableOf(members: readonly PresenceMember[]): string {
  const rows = members.map(({ userId, clientIds, joinedAt, state }) => [
    visible(userId),
    String(clientIds.length),
    timeOf(joinedAt),
    stateOf(state),
  ])
  return formatTable([TITLES, ...rows])
}

const SIGNS = {
  SYNC: ['=', 'dim'],
  JOIN: ['+', 'green'],
  UPDATE: ['~', 'yellow'],
  LEAVE: ['-', 'red'],
} as const satisfies Record<PresenceChange['type'], readonly [string, Colour]>

function linesOf({ type, members }: PresenceChange, paint: Paint): string {
  const [sign, colour] = SIGNS[type]
  const time = paint('dim', timeOf(new Date().toISOString()))
  return members
    .map(({ userId, state }) => {
      const who = paint(colour, `${sign} ${visible(userId)}`)
      return `${`${time}  ${who}  ${stateOf(state)}`.trimEnd()}\n`
    })
    .join('')
}

function stateOf(state: unknown): string {
  if (state === null) return ''
  const text = jsonLine(state)
  return process.stdout.isTTY ? shortened(text, MAX_STATE) : text
}

function timeOf(instant: string): string {
  return process.stdout.isTTY ? localTime(instant) : instant
}
