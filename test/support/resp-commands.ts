/** One command of a client. */
export interface RespCommand {
  /** As it came. */
  readonly bytes: Buffer
  /** In capitals. */
  readonly name: string
  /** The first argument; empty where there is none. */
  readonly key: string
}

const CRLF = '\r\n'

/**
 * The commands in what a client of Redis sends, however it is cut into chunks: arrays of bulk
 * strings, whose bytes may be anything. https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export class RespCommands {
  #rest: Buffer = Buffer.alloc(0)

  /** The commands that a chunk has completed. */
  push(chunk: Buffer): readonly RespCommand[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const commands: RespCommand[] = []
    let start = 0
    for (;;) {
      const end = endOfCommand(bytes, start)
      if (end === undefined) break
      commands.push(commandOf(bytes.subarray(start, end.at), end.strings))
      start = end.at
    }
    this.#rest = bytes.subarray(start)
    return commands
  }
}

interface End {
  readonly at: number
  readonly strings: readonly Buffer[]
}

/** Undefined where the command goes on in a later chunk. */
function endOfCommand(bytes: Buffer, start: number): End | undefined {
  const count = lengthAt(bytes, start, '*')
  if (count === undefined) return undefined
  let at = count.end
  const strings: Buffer[] = []
  while (strings.length < count.value) {
    const length = lengthAt(bytes, at, '$')
    if (length === undefined) return undefined
    const end = length.end + length.value
    if (bytes.length < end + CRLF.length) return undefined
    strings.push(bytes.subarray(length.end, end))
    at = end + CRLF.length
  }
  return { at, strings }
}

/** The number of a line such as `$12`, and where the next line begins. */
function lengthAt(bytes: Buffer, start: number, sign: '*' | '$') {
  const end = bytes.indexOf(CRLF, start)
  if (end === -1) return undefined
  const line = bytes.toString('latin1', start, end)
  if (!/^[*$]\d+$/.test(line) || !line.startsWith(sign)) {
    throw new Error(`A line of RESP that begins with ${sign} was due, and this came: ${line}`)
  }
  return { value: Number(line.slice(1)), end: end + CRLF.length }
}

function commandOf(bytes: Buffer, [name, key]: readonly Buffer[]): RespCommand {
  return { bytes, name: String(name ?? '').toUpperCase(), key: String(key ?? '') }
}
