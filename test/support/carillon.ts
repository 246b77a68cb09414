import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Carillon, type CarillonOptions, createCarillon } from 'carillon'

/** A server that listens on a free port, in this process, and is closed with its test. */
export interface TestServer extends AsyncDisposable {
  readonly carillon: Carillon
  /** Where GraphQL is over HTTP. */
  readonly url: string
  /** Where GraphQL is over WebSocket. */
  readonly socketUrl: string
}

/** With an embedded database in memory unless `options` says otherwise. */
export async function startServer(options: CarillonOptions = {}): Promise<TestServer> {
  const carillon = await createCarillon({ dataDir: 'memory:', logLevel: 'silent', ...options })
  const { url } = await carillon.listen({ port: 0 })
  return {
    carillon,
    url,
    socketUrl: url.replace(/^http/, 'ws'),
    [Symbol.asyncDispose]: () => carillon.close(),
  }
}

/** What a GraphQL server answers. */
export interface GraphQLResponse {
  readonly data?: Record<string, unknown> | null
  readonly errors?: readonly {
    readonly message: string
    readonly path?: readonly (string | number)[]
    readonly extensions: { readonly code: string; readonly retryable: boolean }
  }[]
}

/** One operation over HTTP POST. */
export async function request(
  url: string,
  query: string,
  variables: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<GraphQLResponse> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  })
  return (await response.json()) as GraphQLResponse
}

/** One field of what an operation has answered, which has to be there. */
export function fieldOf<T>({ data, errors }: GraphQLResponse, field: string): T {
  const value = data?.[field]
  if (value == null) throw new Error(`There is no ${field}: ${JSON.stringify(errors)}`)
  return value as T
}

/** An empty folder for one test. */
export interface ThrowawayFolder extends AsyncDisposable {
  readonly path: string
}

export async function createFolder(): Promise<ThrowawayFolder> {
  const path = await mkdtemp(join(tmpdir(), 'carillon-test-'))
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
