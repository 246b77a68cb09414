// Serves the page, and the browser build of graphql-ws beside it. Stop it with Ctrl+C.
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname } from 'node:path'
import process from 'node:process'

const PAGE = new URL('./', import.meta.url)
const LIBRARY = new URL('./', import.meta.resolve('graphql-ws/client'))

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' }

const server = createServer(({ url }, response) => {
  const file = fileOf(new URL(url ?? '/', 'http://localhost').pathname)
  if (file === undefined || !existsSync(file)) response.writeHead(404).end('Not found')
  else {
    const type = TYPES[extname(file.pathname)]
    response.setHeader('content-type', `${type}; charset=utf-8`).end(readFileSync(file))
  }
})

// Carillon lets the pages of every port of this machine talk to it.
server.listen(Number(process.env.PORT ?? 4001), '127.0.0.1', () => {
  console.log(`Open http://127.0.0.1:${server.address().port}/ in two windows, side by side.`)
})

function fileOf(path) {
  if (path === '/') return new URL('index.html', PAGE)
  const [, folder, name] = /^\/(graphql-ws\/)?([\w-]+\.(?:js|css))$/.exec(path) ?? []
  return name && new URL(name, folder === undefined ? PAGE : LIBRARY)
}
