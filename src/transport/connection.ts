import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Credentials } from '../access/credentials.ts'
import type { LiveAccess } from '../access/live-access.ts'
import type { Outbox, Sink } from '../hub/outbox.ts'
import type { Outboxes } from '../hub/outboxes.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { ERRORS } from '../protocol/errors.ts'
import type { ResumableConnection } from '../resume/resumable-connection.ts'
import type { Inbox } from './inbox.ts'
import type { Intake } from './intake.ts'
import { Meter, type MeterLimits } from './meter.ts'
import { Reader } from './reader.ts'

/** What is known of one WebSocket. */
export interface Connection {
  /** Random: what its client is called where it has not named itself. */
  readonly id: string
  readonly socket: WebSocket
  /** Everything that is sent to the client goes through this. */
  readonly outbox: Outbox
  /** Everything that the client sends comes through this. */
  readonly reader: Reader
  /** How much its client sends. */
  readonly meter: Meter
  /** Of the upgrade. */
  readonly headers: Credentials['headers']
  /** Known once the connection was acknowledged. */
  live: LiveAccess | undefined
  /** What its client brought when it was acknowledged. */
  credentials: Credentials | undefined
  inbox: Inbox | undefined
  /** Its queries and mutations under way. */
  answering: number
  /** Whether the socket is closed, so that what ends from then on does not end by the client's wish. */
  isLost: boolean
  /** Of a client that named itself: what lets it go on where it was. */
  resume: ResumableConnection | undefined
}

/** The room for a close's reason, in bytes. https://www.rfc-editor.org/rfc/rfc6455#section-5.5 */
const MAX_REASON_BYTES = 123

/** Why a client is closed that takes nothing. */
const SLOW_CONSUMER = `SLOW_CONSUMER: ${ERRORS.SLOW_CONSUMER.message}`

export interface ConnectionParts {
  /** The TCP or TLS socket under the WebSocket. */
  readonly raw: Duplex
  readonly headers: IncomingHttpHeaders
  readonly outboxes: Outboxes
  readonly limits: MeterLimits
  readonly intake: Intake
}

export function openConnection(
  socket: WebSocket,
  { raw, headers, outboxes, limits, intake }: ConnectionParts,
): Connection {
  const reader = new Reader({ raw, intake, isPaused: () => socket.isPaused })
  const outbox: Outbox = outboxes.open(sinkOf(socket, raw), {
    onStalled: () => closeConnection(connection, CLOSE_CODES.TRY_AGAIN_LATER, SLOW_CONSUMER),
    onFlooded: () => socket.pause(),
    onDrained: () => readOn(connection),
  })
  const connection: Connection = {
    id: randomUUID(),
    socket,
    outbox,
    reader,
    headers: joined(headers),
    meter: new Meter(limits),
    live: undefined,
    credentials: undefined,
    inbox: undefined,
    answering: 0,
    isLost: false,
    resume: undefined,
  }
  return connection
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-5.3 */
function joined(headers: IncomingHttpHeaders): Credentials['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  )
}

/** `ws` closes sockets by itself where a message is not as it may be, and says why by the code alone. */
export function explainCloses(socket: WebSocket, reasons: Readonly<Record<number, string>>): void {
  const close = socket.close.bind(socket)
  socket.close = (code, reason = code === undefined ? undefined : reasons[code]) =>
    close(code, reason)
}

/** Sends what waits, then closes. Cuts a reason that is too long, at a whole character; `ws` would throw. */
export function closeConnection(connection: Connection, code: number, reason: string): void {
  const { socket, outbox } = connection
  outbox.flush()
  outbox.close()
  const bytes = Buffer.from(reason).subarray(0, MAX_REASON_BYTES)
  socket.close(code, new TextDecoder().decode(bytes, { stream: true }))
  readOn(connection) // of one that was flooded, whose answer to the close is still to be read
}

function readOn({ socket, reader }: Connection): void {
  socket.resume()
  if (socket.readyState !== socket.OPEN) reader.release() // what comes is not carried out any more
  reader.goOn()
}

/**
 * Where our frames go. `ws` writes to the same socket: whole frames at once, as deflate is off, so that none
 * gets between the parts of another. After a close frame nothing may follow.
 */
function sinkOf(socket: WebSocket, raw: Duplex): Sink {
  // Once a socket has nothing left to write, the kernel has it all. Other streams may hand it around.
  const copies = raw instanceof Socket
  return {
    get writableLength() {
      return raw.writableLength
    },
    write: (chunk, written) => {
      if (socket.readyState !== socket.OPEN) return true
      raw.write(chunk, written)
      return copies && raw.writableLength === 0
    },
  }
}
