import { Window } from 'happy-dom'

/**
 * A document for React, and nothing else of a browser: the servers of the tests are in the same process. Imported before
 * `react-dom`, which looks for it once.
 */
const window = new Window({ url: 'http://127.0.0.1/' })

Object.assign(globalThis, { window, document: window.document })
// Node before 21 has none.
if (globalThis.navigator === undefined) Object.assign(globalThis, { navigator: window.navigator })

/** An empty element of the document. */
export function newElement(): Element {
  const element = window.document.createElement('div')
  window.document.body.append(element)
  return element as unknown as Element
}
