import type { Limits } from '../access/limits.ts'
import type { Viewer } from '../access/viewer.ts'
import { encodeJson, type JsonFault, type JsonText } from '../core/json.ts'
import type { Draft } from '../core/message.ts'
import { parseSequence } from '../core/sequence.ts'
import { MAX_ID_LENGTH, parseText } from '../core/text.ts'
import { parseTopicName } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'

/** What a publisher asks for, not validated yet. Null and undefined both stand for "not given". */
export interface PublishRequest {
  /** 1 to 128 characters out of `A-Z a-z 0-9 _ - : .` */
  readonly topic: string
  /** Any JSON value but null; at most 32 KiB encoded and 100 levels deep. */
  readonly payload: unknown
  /** What kind of event this is. Default `message`. */
  readonly type?: string | null | undefined
  /** 1 to 128 characters: the same key in the same topic again returns the first message. */
  readonly idempotencyKey?: string | null | undefined
  /** Any JSON value; at most 4 KiB encoded. */
  readonly metadata?: unknown
  /** The only users that may see it, and its publisher; leave it out for everyone. */
  readonly to?: readonly string[] | null | undefined
  /** Says that the payload is end-to-end encrypted. Default false. */
  readonly encrypted?: boolean | null | undefined
  /** Seconds until it expires. */
  readonly ttl?: number | null | undefined
  /** Publish only if the topic's head is this sequence. */
  readonly expectedHead?: number | null | undefined
  /** Fan out only: no sequence, not stored, never replayed. Default false. */
  readonly ephemeral?: boolean | null | undefined
}

export const DEFAULT_TYPE = 'message'

/** What is to be published: appended to the log, or fanned out only. */
export interface ParsedPublish {
  readonly draft: Draft
  readonly ephemeral: boolean
}

/** Validates a request. Throws CarillonErrors of the catalogue, the first that applies. */
export function parsePublish(
  request: PublishRequest,
  viewer: Viewer,
  limits: Limits,
): ParsedPublish {
  const draft = parseDraft(request, viewer, limits)
  const ephemeral = parseFlag('ephemeral', request.ephemeral ?? false)
  if (ephemeral && (draft.idempotencyKey !== null || draft.expectedHead !== null)) {
    throw new CarillonError(
      'INVALID_INPUT',
      'An ephemeral message is not stored: it has neither an idempotencyKey nor an expectedHead.',
    )
  }
  return { draft, ephemeral }
}

function parseDraft(request: PublishRequest, viewer: Viewer, limits: Limits): Draft {
  return {
    topic: parseTopicName(request.topic),
    payload: encodePayload(request.payload, limits),
    type: parseText(request.type ?? DEFAULT_TYPE, 'A type', {
      limit: 'typeLength',
      max: limits.typeLength,
    }),
    idempotencyKey: parseKey(request.idempotencyKey ?? null, limits),
    metadata: encodeMetadata(request.metadata ?? null, limits),
    to: parseRecipients(request.to ?? null, limits),
    encrypted: parseFlag('encrypted', request.encrypted ?? false),
    ttl: parseTtl(request.ttl ?? null, limits),
    expectedHead: request.expectedHead == null ? null : parseSequence(request.expectedHead),
    from: viewer.userId,
    clientId: viewer.clientId,
  }
}

function encodePayload(payload: unknown, limits: Limits): JsonText {
  if (payload === null || payload === undefined) {
    throw new CarillonError('INVALID_PAYLOAD', 'The payload is null; publish a JSON value.')
  }
  return encode('payload', payload, limits.payloadBytes, limits)
}

function encodeMetadata(metadata: unknown, limits: Limits): JsonText | null {
  return metadata === null ? null : encode('metadata', metadata, limits.metadataBytes, limits)
}

function encode(
  what: 'payload' | 'metadata',
  value: unknown,
  maxBytes: number,
  limits: Limits,
): JsonText {
  const encoded = encodeJson(value, { maxBytes, maxDepth: limits.jsonDepth })
  if (encoded.kind === 'encoded') return encoded.text
  throw faultOf(encoded.fault, what, maxBytes, limits)
}

function faultOf(
  fault: JsonFault,
  what: 'payload' | 'metadata',
  maxBytes: number,
  limits: Limits,
): CarillonError {
  const invalid = what === 'payload' ? 'INVALID_PAYLOAD' : 'INVALID_INPUT'
  switch (fault) {
    case 'too-large':
      return new CarillonError(
        'PAYLOAD_TOO_LARGE',
        `The ${what} is larger than ${maxBytes} bytes.`,
        { limit: `${what}Bytes` },
      )
    case 'too-deep':
      return new CarillonError(
        invalid,
        `The ${what} is nested deeper than ${limits.jsonDepth} levels.`,
        { limit: 'jsonDepth' },
      )
    case 'not-finite':
      return new CarillonError(invalid, `The ${what} has a number that JSON cannot hold.`)
    case 'not-json':
      return new CarillonError(invalid, `The ${what} is not a JSON value.`)
    default:
      return fault satisfies never
  }
}

function parseKey(key: string | null, limits: Limits): string | null {
  const limit = { limit: 'idempotencyKeyLength', max: limits.idempotencyKeyLength }
  return key === null ? null : parseText(key, 'An idempotency key', limit)
}

function parseRecipients(to: readonly string[] | null, limits: Limits): readonly string[] | null {
  if (to === null) return null
  if (!Array.isArray(to) || to.length < 1 || to.length > limits.recipients) {
    throw new CarillonError(
      'INVALID_INPUT',
      `\`to\` names 1 to ${limits.recipients} users; leave it out to publish to every subscriber.`,
      { limit: 'recipients' },
    )
  }
  return [...new Set(to.map((user: unknown) => parseText(user, 'A user id', MAX_ID_LENGTH)))]
}

function parseFlag(name: string, flag: unknown): boolean {
  if (typeof flag === 'boolean') return flag
  throw new CarillonError('INVALID_INPUT', `\`${name}\` is true or false.`)
}

function parseTtl(ttl: number | null, limits: Limits): number | null {
  if (ttl === null) return null
  if (Number.isInteger(ttl) && ttl >= 1 && ttl <= limits.ttl) return ttl
  throw new CarillonError('INVALID_INPUT', `A ttl is 1 to ${limits.ttl} seconds.`, { limit: 'ttl' })
}
