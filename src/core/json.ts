/** A JSON value. Values that are handed out are shared: treat them as read-only. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** The text of a JSON value, as `JSON.stringify` writes it. */
export type JsonText = string & { readonly __brand: 'JsonText' }

/** Why a value cannot be encoded. */
export type JsonFault = 'too-large' | 'too-deep' | 'not-finite' | 'not-json'

export type EncodedJson =
  | { readonly kind: 'encoded'; readonly text: JsonText }
  | { readonly kind: 'fault'; readonly fault: JsonFault }

export interface JsonBounds {
  /** The longest text, in bytes of UTF-8. */
  readonly maxBytes: number
  /** How many arrays and objects may stand inside one another. */
  readonly maxDepth: number
}

/**
 * Encodes a value, or says why it cannot: its text would be too large, it is nested too deeply
 * (a cycle is, too), it has a number that JSON cannot say, or it is no JSON value at all. What is
 * encoded comes back as it was.
 */
export function encodeJson(value: unknown, bounds: JsonBounds): EncodedJson {
  // Walk first: it neither recurses nor runs away, as JSON.stringify would on hostile values.
  const fault = findFault(value, bounds)
  if (fault !== undefined) return { kind: 'fault', fault }
  const text = JSON.stringify(value) as JsonText
  if (Buffer.byteLength(text) > bounds.maxBytes) return { kind: 'fault', fault: 'too-large' }
  return { kind: 'encoded', text }
}

function findFault(root: unknown, { maxBytes, maxDepth }: JsonBounds): JsonFault | undefined {
  if (!isContainer(root)) return faultOfScalar(root)
  let level: object[] = [root]
  let values = 1
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) return 'too-deep'
    const next: object[] = []
    for (const container of level) {
      const children = Object.values(container)
      // A value takes a byte at least, so this bound also holds where one object is seen many times.
      values += children.length
      if (values > maxBytes) return 'too-large'
      const fault = faultOfContainer(container) ?? visit(children, next, Array.isArray(container))
      if (fault !== undefined) return fault
    }
    level = next
  }
  return undefined
}

/** Checks the scalars among the children of a container and collects the containers. */
function visit(children: unknown[], next: object[], inArray: boolean): JsonFault | undefined {
  for (const child of children) {
    if (isContainer(child)) next.push(child)
    else if (child === undefined && !inArray)
      continue // JSON.stringify leaves the key out
    else {
      const fault = faultOfScalar(child)
      if (fault !== undefined) return fault
    }
  }
  return undefined
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function faultOfContainer(value: object): JsonFault | undefined {
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return 'not-json'
  if (Array.isArray(value)) return undefined
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? undefined : 'not-json'
}

function faultOfScalar(value: unknown): JsonFault | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : 'not-finite'
    default:
      return value === null ? undefined : 'not-json'
  }
}
