import { once } from 'node:events'
import { WebSocket } from 'ws'

/** A client that speaks graphql-transport-ws by hand: the generator has to cost little. */
export interface SocketPublisher extends AsyncDisposable {
  /** Resolves when the mutation has been answered; rejects where it was refused. */
  publish(input: object): Promise<void>
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

interface ServerMessage {
  readonly id?: string
  readonly type: string
  readonly payload?: { readonly errors?: readonly unknown[] }
}

export const PUBLISH =
  'mutation Publish($input: PublishInput!) { publish(input: $input) { message { id sequence publishedAt } } }'

export async function connectPublisher(
  origin: string,
  connectionParams?: object,
): Promise<SocketPublisher> {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init', payload: connectionParams }))
  await Promise.race([once(socket, 'message'), refusal(socket)])
  const waiting = new Map<string, Waiting>()
  socket.on('message', (data) => answer(JSON.parse(String(data)) as ServerMessage, waiting))
  socket.on('close', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`closed with ${code}`))
  })
  let operations = 0
  return {
    publish(input) {
      const id = String(operations++)
      const payload = { query: PUBLISH, variables: { input } }
      socket.send(JSON.stringify({ id, type: 'subscribe', payload }))
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
    },
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close')
      socket.close(1000)
      await closed
    },
  }
}

async function refusal(socket: WebSocket): Promise<never> {
  const [code, reason] = await once(socket, 'close')
  throw new Error(`refused with ${code}: ${reason}`)
}

/** The `complete` behind each result needs no look. */
function answer({ id, type, payload }: ServerMessage, waiting: Map<string, Waiting>): void {
  if (id === undefined || type === 'complete') return
  const publisher = waiting.get(id)
  waiting.delete(id)
  if (type === 'next' && payload?.errors === undefined) publisher?.resolve()
  else publisher?.reject(new Error(JSON.stringify(payload)))
}
