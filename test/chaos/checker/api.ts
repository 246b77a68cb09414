/** One GraphQL operation over HTTP. Rejects where there is no answer in time, or one with errors. */
export async function execute<T>(
  port: number,
  query: string,
  variables: Readonly<Record<string, unknown>>,
): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(6_000),
  })
  const { data, errors } = (await response.json()) as {
    readonly data?: T
    readonly errors?: readonly { readonly message: string }[]
  }
  if (errors !== undefined || data === undefined) throw new Error(JSON.stringify(errors))
  return data
}
