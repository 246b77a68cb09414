/** FIN and the opcode of text, in the first byte. https://www.rfc-editor.org/rfc/rfc6455#section-5.2 */
const WHOLE_TEXT = 0x81

const SHORT = 125
const TWO_BYTES = 126
const EIGHT_BYTES = 127
const MAX_TWO_BYTES = 0xffff

/** What goes in front of a text of this many bytes in a frame of a server, in bytes. */
export function headerSize(payloadBytes: number): number {
  if (payloadBytes <= SHORT) return 2
  return payloadBytes <= MAX_TWO_BYTES ? 4 : 10
}

/** Writes the header of a whole, unmasked text frame; answers where the payload goes. */
export function writeHeader(target: Buffer, offset: number, payloadBytes: number): number {
  target[offset] = WHOLE_TEXT
  if (payloadBytes <= SHORT) {
    target[offset + 1] = payloadBytes
    return offset + 2
  }
  if (payloadBytes <= MAX_TWO_BYTES) {
    target[offset + 1] = TWO_BYTES
    target[offset + 2] = payloadBytes >>> 8
    target[offset + 3] = payloadBytes & 0xff
    return offset + 4
  }
  target[offset + 1] = EIGHT_BYTES
  target.writeBigUInt64BE(BigInt(payloadBytes), offset + 2)
  return offset + 10
}
