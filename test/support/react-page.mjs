// Runs a page of React without a browser: imported before it. Clicks the button once the page is live, prints what it shows then.
import process from 'node:process'
import { Window } from 'happy-dom'
import { WebSocket } from 'ws'

const window = new Window({ url: 'http://127.0.0.1/' })
const { document } = window
document.body.innerHTML = '<div id="root"></div>'
Object.assign(globalThis, { window, document, WebSocket })
if (globalThis.navigator === undefined) globalThis.navigator = window.navigator // Node before 21

let isClicked = false
const texts = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent)

setInterval(() => {
  const [status = ''] = texts('p')
  if (!isClicked && status.startsWith('live')) {
    isClicked = true
    document.querySelector('button:last-of-type').click()
  }
  const shown = [status, ...texts('li')]
  if (!/1 here/.test(status) || !/: /.test(shown.at(-1))) return
  process.stdout.write(`${shown.join('\n')}\n`)
  process.exit()
}, 5)
