import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { PUBLISH } from '../publish/socket-publisher.ts'

/** A client that publishes over one connection that stays. */
export class HttpPublisher implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(origin: string, headers: Readonly<Record<string, string>>) {
    this.#url = `${origin}/graphql`
    this.#headers = { ...headers, 'content-type': 'application/json' }
  }

  /** Resolves when the mutation has been answered; rejects where it was refused. */
  async publish(input: object): Promise<void> {
    const response = await this.#post(JSON.stringify({ query: PUBLISH, variables: { input } }))
    const body = await text(response)
    const isPublished = response.statusCode === 200 && !('errors' in JSON.parse(body))
    if (!isPublished) throw new Error(`${response.statusCode}: ${body}`)
  }

  #post(body: string): Promise<IncomingMessage> {
    const headers = { ...this.#headers, 'content-length': Buffer.byteLength(body) }
    const options = { method: 'POST', agent: this.#agent, headers }
    return new Promise((resolve, reject) => {
      request(this.#url, options, resolve).on('error', reject).end(body)
    })
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}
