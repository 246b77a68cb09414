/** The subscription of a client: the same fields for all, under names of its set's own. */
export function queryOf(topic: string, set: number, after?: string): string {
  const fields = `id${set}: id sequence from publishedAt payload`
  const start = after === undefined ? '' : `, after: ["${after}"]`
  return `subscription { messages(topics: ["${topic}"]${start}) { ${fields} } }`
}
