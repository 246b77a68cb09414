import { type AnyMessage, isExpired, isVisible, type Reader } from '../core/message.ts'

/** Which messages of its topics a subscriber gets. */
export interface Filter {
  readonly reader: Reader & { readonly clientId: string | null }
  /** Only messages from these users. */
  readonly from?: readonly string[] | undefined
  /** Only messages of these types. */
  readonly types?: readonly string[] | undefined
  /** False: not what this same client published. */
  readonly echo: boolean
}

export function passes(message: AnyMessage, filter: Filter): boolean {
  const { reader, from, types, echo } = filter
  return (
    isVisible(message, reader) &&
    (from === undefined || from.includes(message.from)) &&
    (types === undefined || types.includes(message.type)) &&
    (echo || reader.clientId === null || message.clientId !== reader.clientId) &&
    !isExpired(message, Date.now())
  )
}
