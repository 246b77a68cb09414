/** What may be done in a topic. */
export const ACTIONS = ['SUBSCRIBE', 'PUBLISH', 'HISTORY', 'PRESENCE', 'ACK', 'ADMIN'] as const

export type Action = (typeof ACTIONS)[number]

export function isAction(value: unknown): value is Action {
  return ACTIONS.some((action) => action === value)
}
