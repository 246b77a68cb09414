import fc from 'fast-check'
import type { TopicName } from '../../src/core/topic-name.ts'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-:.'

/** Any topic name there can be. */
export const anyTopicName = fc
  .string({ unit: fc.constantFrom(...LETTERS), minLength: 1, maxLength: 128 })
  .map((name) => name as TopicName)
