/** One event of a stream of server-sent events. */
export interface StreamedEvent {
  readonly event: string
  /** Empty where the event carries none. */
  readonly data: string
}

/** The events of a response, one after the other; comments are left out. */
export async function* readEvents(response: Response): AsyncGenerator<StreamedEvent, void> {
  if (response.body === null) return
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parse(block)
      if (event !== undefined) yield event
    }
  }
}

function parse(block: string): StreamedEvent | undefined {
  const event = /^event: ?(.*)$/m.exec(block)?.[1]
  if (event === undefined) return undefined
  return { event, data: /^data: ?(.*)$/m.exec(block)?.[1] ?? '' }
}
