import { CarillonError } from '../protocol/errors.ts'

/** A message's place in its topic: 1, 2, 3, … without holes, at most 2^53 - 1. 0 stands before all. */
export type Sequence = number & { readonly __brand: 'Sequence' }

/** The random id of a topic's numbering; sequences of two epochs do not compare. */
export type Epoch = string & { readonly __brand: 'Epoch' }

/** A place in a topic's log. */
export interface Position {
  readonly epoch: Epoch
  readonly sequence: Sequence
}

export const BEFORE_ALL = 0 as Sequence

export function isSequence(value: unknown): value is Sequence {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** @throws CarillonError INVALID_INPUT */
export function parseSequence(value: unknown): Sequence {
  if (isSequence(value)) return value
  throw new CarillonError('INVALID_INPUT', 'A sequence is a whole number from 0 to 2^53 - 1.')
}
