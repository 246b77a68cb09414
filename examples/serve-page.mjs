// Serves the page of an example, and beside it what it imports. Stop it with Ctrl+C.
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname } from 'node:path'
import process from 'node:process'

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' }

/** What pages import, by the first part of its path: the files of packages as they are, without a build. */
const LIBRARIES = {
  'graphql-ws': new URL('./', import.meta.resolve('graphql-ws/client')),
  'carillon/client': new URL('./', import.meta.resolve('carillon/client')),
  'carillon/protocol': new URL('../protocol/', import.meta.resolve('carillon/client')),
}

/** Listens on `PORT`, or on the one that is given. */
export function servePage(folder, { port, invitation }) {
  const server = createServer(({ url }, response) => {
    const file = fileOf(folder, new URL(url ?? '/', 'http://localhost').pathname)
    if (file === undefined || !existsSync(file)) response.writeHead(404).end('Not found')
    else {
      const type = TYPES[extname(file.pathname)]
      response.setHeader('content-type', `${type}; charset=utf-8`).end(readFileSync(file))
    }
  })
  // Carillon lets the pages of every port of this machine talk to it.
  server.listen(Number(process.env.PORT ?? port), '127.0.0.1', () => {
    console.log(`Open http://127.0.0.1:${server.address().port}/ ${invitation}`)
  })
}

function fileOf(folder, path) {
  if (path === '/') return new URL('index.html', folder)
  const [, library, name] = /^\/(?:([\w-]+(?:\/\w+)?)\/)?([\w-]+\.(?:js|css))$/.exec(path) ?? []
  if (name === undefined) return undefined
  if (library === undefined) return new URL(name, folder)
  return Object.hasOwn(LIBRARIES, library) ? new URL(name, LIBRARIES[library]) : undefined
}
