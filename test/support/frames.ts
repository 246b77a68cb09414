import type { Writable } from 'node:stream'
import * as ws from 'ws'

type ReceiverClass = new (options: { readonly isServer: boolean }) => Writable

/** What a client of `ws` reads frames with; its types leave it out. */
const { Receiver } = ws as unknown as { readonly Receiver: ReceiverClass }

/** Reads the frames of a server as `ws` does: it emits `message`, `conclude` and `error`. */
export function openReceiver(): Writable {
  return new Receiver({ isServer: false })
}

/** The texts in the frames that a server has sent, as a client reads them. */
export async function textsOf(bytes: Buffer): Promise<string[]> {
  const receiver = openReceiver()
  const texts: string[] = []
  receiver.on('message', (data: Buffer, isBinary: boolean) => {
    texts.push(isBinary ? 'not a text' : String(data))
  })
  await new Promise<void>((resolve, reject) => {
    receiver.on('error', reject)
    receiver.write(bytes, () => resolve())
  })
  return texts
}
