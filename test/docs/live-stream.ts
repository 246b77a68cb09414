import { readEvents } from '../support/event-stream.ts'

/** A subscription over server-sent events. */
export interface LiveStream extends AsyncDisposable {
  /** What the next event carries. */
  next(): Promise<unknown>
}

/** Opens a subscription: Yoga begins to answer once it has been subscribed, so it is live then. */
export async function openLiveStream(
  url: string,
  body: string,
  headers: Record<string, string>,
): Promise<LiveStream> {
  const abort = new AbortController()
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body,
    signal: abort.signal,
  })
  const events = readEvents(response)
  return {
    async next() {
      const { value } = await events.next()
      if (value === undefined) throw new Error('The stream has ended.')
      return JSON.parse(value.data)
    },
    async [Symbol.asyncDispose]() {
      abort.abort()
    },
  }
}
