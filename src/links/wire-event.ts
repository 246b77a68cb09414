import type { Placed } from '../client/place.ts'
import type { Gap } from '../protocol/errors.ts'
import { ADDED } from './followed-document.ts'

/** Where a message, or a snapshot, is. */
export type PlacedIn = Placed & { readonly topic: string }

/** What a result says besides what the application has selected. */
export type WireEvent =
  | { readonly kind: 'message'; readonly at: PlacedIn }
  | { readonly kind: 'caughtUp'; readonly topic: string; readonly cursor: string }
  | { readonly kind: 'gap'; readonly gap: Gap }
  | { readonly kind: 'snapshot'; readonly at: PlacedIn & { readonly cursor: string } }
  /** A kind of event that a newer server may have. */
  | { readonly kind: 'unknown' }

/** The values of an event, which are as the document says. */
export type Fields = Readonly<Record<string, unknown>>

export function readWireEvent(event: Fields): WireEvent {
  if (ADDED.message in event) return { kind: 'message', at: event[ADDED.message] as PlacedIn }
  if (ADDED.snapshot in event) {
    return {
      kind: 'snapshot',
      at: event[ADDED.snapshot] as PlacedIn & { cursor: string },
    }
  }
  const topic = event[ADDED.topic] as string
  if (ADDED.cursor in event) {
    return { kind: 'caughtUp', topic, cursor: event[ADDED.cursor] as string }
  }
  if (ADDED.reason in event) {
    const gap = {
      topic,
      fromSequence: event[ADDED.fromSequence] as number,
      toSequence: event[ADDED.toSequence] as number,
      reason: event[ADDED.reason] as Gap['reason'],
    }
    return { kind: 'gap', gap }
  }
  return { kind: 'unknown' }
}

const KEYS: ReadonlySet<string> = new Set(Object.values(ADDED))

/** An event as the application has selected it. */
export function withoutAdded(event: Fields): Fields {
  return Object.fromEntries(Object.entries(event).filter(([key]) => !KEYS.has(key)))
}
