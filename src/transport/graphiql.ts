import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { securityHeaders } from './security-headers.ts'

interface Tab {
  readonly query: string
  readonly variables?: string
}

/** Where the operations of the first visit come from: tabs to click and run. */
const TABS: readonly [Tab, ...Tab[]] = [
  {
    query: `# 1. Subscribe: press play. Then publish from a second tab of your browser:
# GraphiQL stops a subscription when you leave its tab.
subscription Live {
  messages(topics: "chat:1") {
    sequence
    type
    from
    payload
    publishedAt
  }
}
`,
  },
  {
    query: `# 2. Publish: the message appears where you have subscribed.
mutation Publish($payload: JSON!) {
  publish(input: { topic: "chat:1", payload: $payload }) {
    duplicate
    message {
      id
      sequence
      cursor
      publishedAt
    }
  }
}
`,
    variables: '{\n  "payload": { "text": "Hello, Carillon!" }\n}',
  },
  {
    query: `# 3. History: the newest ten; page back with before: pageInfo.startCursor.
query History($before: Cursor) {
  messages(topic: "chat:1", last: 10, before: $before) {
    headSequence
    nodes {
      sequence
      from
      payload
    }
    pageInfo {
      hasPreviousPage
      startCursor
    }
  }
}
`,
  },
  {
    query: `# 4. Acknowledge: remember how far a durable reader has come.
mutation Acknowledge {
  ack(input: { topic: "chat:1", consumer: "reader", sequence: 1 }) {
    consumer {
      ackedSequence
      lag
    }
  }
}
`,
  },
  {
    query: `# 5. Topics: what there is.
query Topics {
  topics(first: 20) {
    nodes {
      name
      headSequence
      epoch
    }
  }
}
`,
  },
  {
    query: `# 6. Presence: you are here for as long as it runs. Run it in a second window of your browser, too.
subscription Presence {
  presence(topics: "room:1", enter: { state: { mood: "curious" } }) {
    type
    members {
      userId
      clientIds
      state
      joinedAt
    }
  }
}
`,
  },
]

interface Page {
  /** What it may load: its own scripts, by what is in them, and the editor's workers. */
  readonly policy: string
  readonly plain: string
  readonly gzipped: Uint8Array<ArrayBuffer>
}

/** What the page needs to know of the server. */
export interface GraphiqlOptions {
  /** Whether callers need a token: each tab then has a header for it. */
  readonly needsToken: boolean
}

const pages = new Map<boolean, Promise<Page>>()

/** Whether a browser asks for a page to look at. */
export function wantsGraphiql(request: Request): boolean {
  return request.method === 'GET' && (request.headers.get('accept') ?? '').includes('text/html')
}

/** GraphiQL, whole: script, style and workers come with the page, from no other host. */
export async function graphiqlResponse(
  request: Request,
  { needsToken }: GraphiqlOptions,
): Promise<Response> {
  const page = pages.get(needsToken) ?? renderPage(needsToken)
  pages.set(needsToken, page)
  const { plain, gzipped, policy } = await page
  const zipped = (request.headers.get('accept-encoding') ?? '').includes('gzip')
  return new Response(zipped ? gzipped : plain, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      vary: 'accept, accept-encoding',
      'cache-control': 'no-cache',
      ...securityHeaders(policy),
      ...(zipped ? { 'content-encoding': 'gzip' } : {}),
    },
  })
}

/** For people to complete. */
const TOKEN_HEADER = '{\n  "authorization": "Bearer "\n}'

/** Nine megabytes: loaded and rendered when someone asks for the first time. */
async function renderPage(needsToken: boolean): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const options = {
    title: 'Carillon',
    endpoint: '/graphql',
    // The headers of a tab are sent over HTTP only.
    subscriptionsProtocol: needsToken ? 'SSE' : 'WS',
    // What the first tab begins with; the page would put a text about itself there.
    query: TABS[0].query,
    shouldPersistHeaders: false,
    ...(needsToken ? { headers: TOKEN_HEADER } : {}),
  } as const
  const defaultTabs = TABS.map((tab) => (needsToken ? { ...tab, headers: TOKEN_HEADER } : tab))
  const plain = renderGraphiQL({ ...options, defaultTabs })
  const gzipped = await promisify(gzip)(plain, { level: constants.Z_BEST_SPEED })
  return { plain, gzipped: new Uint8Array(gzipped), policy: policyOf(plain) }
}

/** Nothing but the scripts of the page runs, and they reach this server only. The editor writes styles. */
function policyOf(page: string): string {
  const scripts = [...page.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map(([, text = '']) =>
    createHash('sha256').update(text).digest('base64'),
  )
  return [
    "default-src 'none'",
    `script-src ${scripts.map((hash) => `'sha256-${hash}'`).join(' ')}`,
    "style-src 'unsafe-inline'",
    'font-src data:',
    'img-src data:',
    'worker-src blob:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
}
