/** A text that nobody else has made: some 100 random bits. Not a secret. */
export function uniqueId(): string {
  return Math.random().toString(36).slice(2) + Math.random().toString(36).slice(2)
}
