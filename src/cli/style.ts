import type { WriteStream } from 'node:tty'

const CODES = { dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

export type Colour = keyof typeof CODES

/** Puts a text into a colour, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string

/** Colours for a terminal that has them; `NO_COLOR`, `FORCE_COLOR` and `TERM=dumb` are heard. https://no-color.org */
export function paintFor(stream: WriteStream): Paint {
  // Where it is no terminal, the stream has no such method, whatever its type says.
  if (!stream.isTTY || !stream.hasColors()) return (_colour, text) => text
  return (colour, text) => `\u001b[${CODES[colour]}m${text}\u001b[0m`
}
