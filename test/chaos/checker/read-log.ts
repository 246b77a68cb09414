import { execute } from './api.ts'
import type { Message } from './history.ts'

const PAGE = `query ($topic: TopicName!, $after: Cursor) {
  messages(topic: $topic, first: 1000, after: $after) {
    nodes { id topic sequence payload }
    pageInfo { hasNextPage endCursor }
  }
}`

interface Page {
  readonly messages: {
    readonly nodes: readonly Message[]
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
  }
}

/** The whole log, as history shows it. */
export async function readLog(
  port: number,
  topics: readonly string[],
): Promise<ReadonlyMap<string, readonly Message[]>> {
  const log = new Map<string, readonly Message[]>()
  for (const topic of topics) {
    const messages: Message[] = []
    let after: string | null = null
    do {
      const page: Page = await execute<Page>(port, PAGE, { topic, after })
      messages.push(...page.messages.nodes)
      after = page.messages.pageInfo.hasNextPage ? page.messages.pageInfo.endCursor : null
    } while (after !== null)
    log.set(topic, messages)
  }
  return log
}
