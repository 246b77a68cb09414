/** Random, of 128 bits, in 32 characters. `crypto.randomUUID` is missing in pages without TLS. */
export function uniqueId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
