import type { Message, PublishOptions } from '../client/index.ts'
import { asksForHelp, parseArguments, refuseMore } from './arguments.ts'
import { PUBLISH_HELP } from './client-help.ts'
import { parseCount, parseWhole } from './numbers.ts'
import { printPatiently } from './output.ts'
import { parseJson } from './payload.ts'
import { print } from './print.ts'
import { LinePublisher } from './publish-lines.ts'
import { type Session, withSession } from './session.ts'
import { readStdin } from './stdin.ts'
import { TARGET_OPTIONS } from './target.ts'
import { readTopic } from './topics.ts'
import { UsageError } from './usage-error.ts'
import { jsonLine } from './visible-text.ts'

const OPTIONS = {
  ...TARGET_OPTIONS,
  type: { type: 'string' },
  key: { type: 'string' },
  metadata: { type: 'string' },
  to: { type: 'string', multiple: true },
  ttl: { type: 'string' },
  'expected-head': { type: 'string' },
  ephemeral: { type: 'boolean', default: false },
  text: { type: 'boolean', default: false },
  lines: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

type Values = ReturnType<typeof parseArguments<typeof OPTIONS>>['values']

/** Where the payload stands for standard input. */
const STDIN = '-'

/** `carillon publish …` */
export async function publish(args: readonly string[]): Promise<void> {
  if (asksForHelp(args)) return print(PUBLISH_HELP)
  const { values, positionals } = parseArguments(args, OPTIONS)
  const [name, payload = values.lines ? STDIN : undefined, ...rest] = positionals
  refuseMore(rest)
  const topic = readTopic('publish', name)
  if (payload === undefined) {
    throw new UsageError('carillon publish needs a payload: JSON, or - for standard input.')
  }
  const options = optionsOf(values)
  if (values.lines) return publishLines(topic, payload, values, options)
  // What is no JSON is said before anybody connects.
  const given = payload === STDIN ? undefined : readPayload(payload, values)
  await withSession(values, async ({ client, signal }) => {
    const value = payload === STDIN ? readPayload(await readStdin(signal), values) : given
    const message = await client.topic(topic).publish(value, options)
    await printPatiently(values.json ? `${jsonLine(message)}\n` : sentence(message))
  })
}

async function publishLines(
  topic: string,
  payload: string,
  values: Values,
  options: PublishOptions,
): Promise<void> {
  if (payload !== STDIN)
    throw new UsageError('--lines reads standard input: give - as the payload.')
  if (values.key !== undefined || values['expected-head'] !== undefined) {
    throw new UsageError(
      '--key and --expected-head are of one message, and --lines publishes many.',
    )
  }
  await withSession(values, (session: Session) => {
    const parse = (text: string) => readPayload(text, values)
    return new LinePublisher({ session, topic, options, parse, json: values.json }).run()
  })
}

function readPayload(text: string, { text: isText }: Values): unknown {
  return isText ? text.replace(/\r?\n?$/, '') : parseJson('The payload', text)
}

function optionsOf(values: Values): PublishOptions {
  const { type, key, metadata, to, ttl, ephemeral } = values
  const head = values['expected-head']
  if (ephemeral && key !== undefined) {
    throw new UsageError(
      '--key and --ephemeral do not go together: nothing is stored under the key.',
    )
  }
  return {
    type,
    idempotencyKey: key,
    metadata: metadata === undefined ? undefined : parseJson('--metadata', metadata),
    to,
    ephemeral,
    ttl: ttl === undefined ? undefined : parseCount('--ttl', ttl),
    expectedHead: head === undefined ? undefined : parseWhole('--expected-head', head),
  }
}

function sentence({ topic, sequence }: Message): string {
  if (sequence === null) return `Published to ${topic}, to those who listen now.\n`
  return `Published to ${topic} as ${sequence}.\n`
}
