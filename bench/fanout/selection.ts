/** The subscription of a client: the same fields for all, under names of its set's own. */
export function queryOf(topic: string, set: number): string {
  const fields = `id${set}: id sequence from publishedAt payload`
  return `subscription { messages(topics: ["${topic}"]) { ${fields} } }`
}
