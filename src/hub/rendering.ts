import type { AnyMessage } from '../core/message.ts'

/** A message as some subscribers get it: UTF-8 text of a JSON object, shared by all of them. */
export type Body = Buffer

/** How a message is shown. Subscribers that show messages in the same way share one of these. */
export interface Rendering {
  /** Does not throw, nor reject: what goes wrong in a rendering is part of the body. */
  render(message: AnyMessage): Body | Promise<Body>
}
