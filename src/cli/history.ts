import type { HistoryOptions, Page, Topic } from '../client/index.ts'
import { asksForHelp, parseArguments, refuseMore } from './arguments.ts'
import { HISTORY_HELP } from './client-help.ts'
import { MessageOutput } from './message-output.ts'
import { parseCount } from './numbers.ts'
import { note, print } from './print.ts'
import { withSession } from './session.ts'
import { TARGET_OPTIONS } from './target.ts'
import { readTopic } from './topics.ts'
import { UsageError } from './usage-error.ts'

const OPTIONS = {
  ...TARGET_OPTIONS,
  first: { type: 'string' },
  last: { type: 'string' },
  after: { type: 'string' },
  before: { type: 'string' },
  type: { type: 'string', multiple: true },
  from: { type: 'string', multiple: true },
  all: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

type Values = ReturnType<typeof parseArguments<typeof OPTIONS>>['values']

/** `carillon history …` */
export async function history(args: readonly string[]): Promise<void> {
  if (asksForHelp(args)) return print(HISTORY_HELP)
  const { values, positionals } = parseArguments(args, OPTIONS)
  const [name, ...rest] = positionals
  refuseMore(rest)
  const topic = readTopic('history', name)
  const options = optionsOf(values)
  const output = new MessageOutput(values)
  await withSession(values, async ({ client, signal }) => {
    const messages = { ...options, signal }
    if (values.all) await printAll(client.topic(topic), messages, output)
    else await printPage(client.topic(topic), messages, output)
  })
}

/** A page at a time: it takes no more memory however long the topic is. */
async function printAll(topic: Topic, options: HistoryOptions, output: MessageOutput) {
  for await (const message of topic.replay(options)) await output.print(message)
}

async function printPage(topic: Topic, options: HistoryOptions, output: MessageOutput) {
  const page = await topic.history(options)
  output.prepare(page.messages)
  for (const message of page.messages) await output.print(message)
  if (process.stdout.isTTY) note(more(page, options))
}

/** How to get the page that follows in the direction that was asked for. */
function more({ hasMore, startCursor, endCursor }: Page, { first, last, after }: HistoryOptions) {
  if (!hasMore) return ''
  const isForward = first !== undefined || (after !== undefined && last === undefined)
  return `There are more: ${isForward ? `--after ${endCursor}` : `--before ${startCursor}`}\n`
}

function optionsOf({ first, last, after, before, type, from, all }: Values): HistoryOptions {
  if (all && (first !== undefined || last !== undefined || before !== undefined)) {
    throw new UsageError('--all goes with --after, and not with --first, --last and --before.')
  }
  return {
    first: first === undefined ? undefined : parseCount('--first', first, MAX_PAGE),
    last: last === undefined ? undefined : parseCount('--last', last, MAX_PAGE),
    after,
    before,
    types: type,
    from,
  }
}

/** What servers give at once, at most. */
const MAX_PAGE = 1_000
