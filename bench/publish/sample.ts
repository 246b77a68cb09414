export const TOPICS = 8

export function topicOf(publisher: number): string {
  return `bench:${publisher % TOPICS}`
}

const TEXT = 'The quick brown fox jumps over the lazy dog, and then it rests. '.repeat(3)

/** About 300 bytes of JSON, none like another. */
export function payloadOf(number: number) {
  return {
    kind: 'text',
    conversation: 'c7b1d7c2-6f3a-4d0e-9a51-3d9f5a6f1f7e',
    number,
    text: TEXT,
    mentions: ['user:17', 'user:4711'],
  }
}
