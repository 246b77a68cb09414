import type { CodeBlock } from '../support/markdown.ts'

/** A block ```graphql with what belongs to it. */
export interface GraphQLExample {
  readonly line: number
  readonly query: string
  /** The text of the variables. */
  readonly variables: string
  readonly headers: Record<string, string>
  /** What it answers; undefined for a subscription, which answers by events. */
  readonly answer: string | undefined
  /** What then comes from the subscription that is open. */
  readonly events: readonly string[]
}

/** Groups the blocks of a page; every block of JSON has to belong to an operation. */
export function graphqlExamples(blocks: readonly CodeBlock[]): readonly GraphQLExample[] {
  const examples: CodeBlock[][] = []
  for (const block of blocks) {
    if (block.language === 'graphql') examples.push([block])
    else if (block.language === 'json') addTo(examples.at(-1), block)
    else examples.push([block])
  }
  return examples.filter(([first]) => first?.language === 'graphql').map(readExample)
}

function addTo(example: CodeBlock[] | undefined, block: CodeBlock): void {
  const marks = ['variables', 'headers', 'answer', 'event']
  if (example === undefined || !marks.includes(block.mark)) {
    throw new Error(`Line ${block.line}: this JSON belongs to nothing.`)
  }
  example.push(block)
}

function readExample([operation, ...rest]: readonly CodeBlock[]): GraphQLExample {
  if (operation === undefined) throw new Error('An example is empty.')
  const { line, text: query } = operation
  const marked = (mark: string) => rest.filter((block) => block.mark === mark)
  const [answer, ...more] = marked('answer')
  if (isSubscription(query) !== (answer === undefined) || more.length > 0) {
    throw new Error(`Line ${line}: an operation has one answer, a subscription has events.`)
  }
  return {
    line,
    query,
    variables: marked('variables')[0]?.text ?? '{}',
    headers: JSON.parse(marked('headers')[0]?.text ?? '{}') as Record<string, string>,
    answer: answer?.text,
    events: marked('event').map(({ text }) => text),
  }
}

export function isSubscription(query: string): boolean {
  return /^\s*subscription\b/m.test(query)
}
