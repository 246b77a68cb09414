import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { type RequestOptions, request as tlsRequest } from 'node:https'
import { text } from 'node:stream/consumers'

/** A request without a body, with any headers; `fetch` sets some of them itself. */
export async function requestByHand(url: string, options: RequestOptions = {}) {
  const send = url.startsWith('https:') ? tlsRequest : request
  const sent = send(url, { agent: false, ...options }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const { statusCode: status, headers } = response
  return { status, headers, body: await text(response) }
}
