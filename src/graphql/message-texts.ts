import type { AnyMessage } from '../core/message.ts'
import type { FieldText } from './plain-selection.ts'

type MessageText = FieldText<AnyMessage>

/** What the fields of a message look like in a result, by their names in the schema. */
export const MESSAGE_TEXTS: ReadonlyMap<string, MessageText> = new Map<string, MessageText>([
  ['id', ({ id }) => JSON.stringify(id)],
  ['idempotencyKey', ({ idempotencyKey }) => JSON.stringify(idempotencyKey)],
  ['topic', ({ topic }) => JSON.stringify(topic)],
  ['sequence', ({ sequence }) => String(sequence)],
  ['cursor', ({ cursor }) => JSON.stringify(cursor)],
  ['type', ({ type }) => JSON.stringify(type)],
  ['payload', ({ payloadText }) => (isNull(payloadText) ? undefined : payloadText)],
  ['metadata', ({ metadataText }) => metadataText ?? 'null'],
  ['encrypted', ({ encrypted }) => String(encrypted)],
  ['ephemeral', ({ ephemeral }) => String(ephemeral)],
  ['from', ({ from }) => JSON.stringify(from)],
  ['clientId', ({ clientId }) => JSON.stringify(clientId)],
  ['to', ({ to }) => JSON.stringify(to)],
  ['publishedAt', ({ publishedAt }) => JSON.stringify(publishedAt)],
  ['expiresAt', ({ expiresAt }) => JSON.stringify(expiresAt)],
])

/** A payload is never null; a host application that writes SQL may have stored one all the same. */
function isNull(text: string): boolean {
  return text.length < 16 && text.trim() === 'null'
}
