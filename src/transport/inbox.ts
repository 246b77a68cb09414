import { MessageType, parseMessage } from 'graphql-ws'
import { encodeJson } from '../core/json.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'

export interface InboxParts {
  /** The protocol; settles once it is done with the message, for an operation: once that has ended. */
  readonly handle: (text: string) => Promise<void>
  readonly close: (code: number, reason: string) => void
  readonly isOpen: () => boolean
  /** Told of what the protocol could not cope with. */
  readonly onFault: (error: unknown) => void
}

interface Operation {
  readonly ended: Promise<void>
  /** The client is through with it. */
  completed: boolean
  /** The next operation of the same id. */
  next: string | undefined
}

/** The id stands in front of every result of its operation. */
const MAX_ID_LENGTH = 256

const OF_CLIENTS = new Set<MessageType>([
  MessageType.ConnectionInit,
  MessageType.Ping,
  MessageType.Pong,
  MessageType.Subscribe,
  MessageType.Complete,
])

/**
 * Hands a client's messages to the protocol. Once a client has completed an operation, it is free to
 * use the id again, but graphql-ws knows operations by nothing else: what the old one still answers
 * would count for the new one. So the new one waits until the old one has ended.
 */
export class Inbox {
  readonly #parts: InboxParts
  readonly #operations = new Map<string, Operation>()

  constructor(parts: InboxParts) {
    this.#parts = parts
  }

  receive(text: string): void {
    // What follows a message that closed the socket is not carried out.
    if (!this.#parts.isOpen()) return
    const message = parse(text)
    if (message === undefined) {
      this.#parts.close(CLOSE_CODES.INVALID_MESSAGE, 'Invalid message received')
    } else if (message.type === MessageType.Subscribe) {
      if (message.id.length > MAX_ID_LENGTH) {
        const reason = `The id of an operation has at most ${MAX_ID_LENGTH} characters`
        this.#parts.close(CLOSE_CODES.INVALID_MESSAGE, reason)
      } else this.#subscribe(message.id, text)
    } else if (message.type === MessageType.Complete) this.#complete(message.id, text)
    else void this.#handle(text)
  }

  /** Operations under way. */
  get size(): number {
    return this.#operations.size
  }

  /** Resolves once nothing more will be sent for an operation that is running now. */
  async ended(id: string): Promise<void> {
    await this.#operations.get(id)?.ended
  }

  #subscribe(id: string, text: string): void {
    const operation = this.#operations.get(id)
    if (operation === undefined) this.#start(id, text)
    else if (operation.completed && operation.next === undefined) operation.next = text
    else {
      const reason = `Subscriber for ${id} already exists`
      this.#parts.close(CLOSE_CODES.SUBSCRIBER_ALREADY_EXISTS, reason)
    }
  }

  #complete(id: string, text: string): void {
    const operation = this.#operations.get(id)
    if (operation === undefined) return
    operation.next = undefined
    if (operation.completed) return
    operation.completed = true
    void this.#handle(text)
  }

  #start(id: string, text: string): void {
    const { promise: ended, resolve } = withResolvers()
    const operation: Operation = { ended, completed: false, next: undefined }
    this.#operations.set(id, operation)
    void this.#handle(text).then(() => {
      this.#operations.delete(id)
      resolve()
      if (operation.next !== undefined && this.#parts.isOpen()) this.#start(id, operation.next)
    })
  }

  async #handle(text: string): Promise<void> {
    try {
      await this.#parts.handle(text)
    } catch (error) {
      this.#parts.onFault(error)
    }
  }
}

/** How deep the payload of a ping may be: it is written again, by what recurses. */
const PING_BOUNDS = { maxBytes: Number.POSITIVE_INFINITY, maxDepth: 100 }

function parse(text: string) {
  try {
    const message = parseMessage(text)
    if (message.type === MessageType.Ping && message.payload !== undefined) {
      if (encodeJson(message.payload, PING_BOUNDS).kind === 'fault') return undefined
    }
    return OF_CLIENTS.has(message.type) ? message : undefined
  } catch {
    return undefined // not of the protocol: all that its sender is told
  }
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers() {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((resolved) => {
    resolve = resolved
  })
  return { promise, resolve }
}
