import type { AnyMessage } from '../core/message.ts'
import type { TopicEvent } from './topic-event.ts'

/**
 * A message as some subscribers get it: UTF-8 text of a JSON object, shared by all of them. An empty one is
 * not sent.
 */
export type Body = Buffer

/** How a message is shown. Subscribers that show messages in the same way share one of these. */
export interface Rendering {
  /**
   * A message that comes as it is published; where only messages are told, any.
   * Does not throw, nor reject: what goes wrong in a rendering is part of the body.
   */
  render(message: AnyMessage): Body | Promise<Body>
  /** Anything that is told to a subscriber of events by itself. As `render`. */
  readonly renderEvent?: (event: TopicEvent) => Body | Promise<Body>
}
