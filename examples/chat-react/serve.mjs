// Builds the page and serves it. To change it while it is shown: npx vite examples/chat-react
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { servePage } from '../serve-page.mjs'

const folder = new URL('./', import.meta.url)

await build({
  root: fileURLToPath(folder),
  logLevel: 'error',
  build: {
    assetsDir: '',
    rolldownOptions: {
      // Browsers keep what does not change with the page.
      output: { codeSplitting: { groups: [{ name: 'react', test: /node_modules\/react/ }] } },
    },
  },
})
servePage(new URL('dist/', folder), { port: 4003, invitation: 'in two windows, side by side.' })
