import { readFile } from 'node:fs/promises'
import { stripIgnoredCharacters } from 'graphql'
import { z } from 'zod'

/** One operation that clients may send, or name. */
export interface PersistedOperation {
  readonly id: string
  /** The document. */
  readonly text: string
}

/** The operations of a file: clients may send these and no others. Immutable. */
export class PersistedOperations {
  /** What the file is called, for errors. */
  readonly source: string
  readonly list: readonly PersistedOperation[]
  readonly #byId = new Map<string, PersistedOperation>()
  readonly #byText = new Map<string, PersistedOperation>()

  /** @throws PersistedOperationsError where an id comes twice, or a text has characters that no document has */
  constructor(source: string, list: readonly PersistedOperation[]) {
    this.source = source
    this.list = list
    for (const operation of list) this.#add(operation)
  }

  /** By its id; by a hash with its algorithm in front too, such as `sha256:…`. */
  withId(id: string): PersistedOperation | undefined {
    return this.#byId.get(id) ?? this.#byId.get(withoutAlgorithm(id))
  }

  /**
   * By its text; spaces, commas and comments may differ, as they do between what is written and what tools print.
   *
   * @throws GraphQLError where there are characters that no document has
   */
  withText(text: string): PersistedOperation | undefined {
    return this.#byText.get(text) ?? this.#byText.get(stripIgnoredCharacters(text))
  }

  #add(operation: PersistedOperation): void {
    const { id, text } = operation
    const key = withoutAlgorithm(id)
    if (this.#byId.has(key)) throw this.faultOf(operation, 'comes twice')
    this.#byId.set(key, operation)
    this.#byText.set(text, operation)
    try {
      this.#byText.set(stripIgnoredCharacters(text), operation)
    } catch (error) {
      throw this.faultOf(operation, 'is not valid', error)
    }
  }

  faultOf({ id }: PersistedOperation, fault: string, cause?: unknown): PersistedOperationsError {
    const reason = cause instanceof Error ? `: ${cause.message}` : '.'
    const message = `The operation ${JSON.stringify(id)} of ${this.source} ${fault}${reason}`
    return new PersistedOperationsError(message, { cause })
  }
}

/** A file of operations that no server can start with. */
export class PersistedOperationsError extends Error {
  override readonly name = 'PersistedOperationsError'
}

/** As the client preset of GraphQL Code Generator writes it: documents by their hashes. */
const BY_HASH = z.record(z.string().min(1), z.string()).transform(ofRecord)

/** As Apollo's generate-persisted-query-manifest writes it. */
const MANIFEST = z
  .object({
    format: z.literal('apollo-persisted-query-manifest'),
    operations: z.array(z.object({ id: z.string().min(1), body: z.string() })),
  })
  .transform(({ operations }) => operations.map(({ id, body }) => ({ id, text: body })))

/**
 * Reads the text of a file of operations.
 *
 * @throws PersistedOperationsError, which names the file
 */
export function parsePersistedOperations(text: string, source: string): PersistedOperations {
  const file = z.union([MANIFEST, BY_HASH]).safeParse(parseJson(text, source))
  if (file.success) return new PersistedOperations(source, file.data)
  throw new PersistedOperationsError(
    `${source} has to be an object of documents by their hashes, or a manifest of persisted queries as Apollo writes it.`,
    { cause: file.error },
  )
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new PersistedOperationsError(`${source} is not valid JSON.`, { cause })
  }
}

function ofRecord(record: Readonly<Record<string, string>>): readonly PersistedOperation[] {
  return Object.entries(record).map(([id, text]) => ({ id, text }))
}

function withoutAlgorithm(id: string): string {
  return id.replace(/^sha256:/, '')
}

/** @throws PersistedOperationsError where the file cannot be read, or is no list of operations */
export async function readPersistedOperations(path: string): Promise<PersistedOperations> {
  return parsePersistedOperations(await readText(path), path)
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const text = `The operations in ${path} cannot be read: ${(error as Error).message}.`
    throw new PersistedOperationsError(text, { cause: error })
  }
}
