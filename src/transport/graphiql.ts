import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'

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
  readonly plain: string
  readonly gzipped: Uint8Array<ArrayBuffer>
}

let page: Promise<Page> | undefined

/** Whether a browser asks for a page to look at. */
export function wantsGraphiql(request: Request): boolean {
  return request.method === 'GET' && (request.headers.get('accept') ?? '').includes('text/html')
}

/** GraphiQL, whole: script, style and workers come with the page, from no other host. */
export async function graphiqlResponse(request: Request): Promise<Response> {
  page ??= renderPage()
  const { plain, gzipped } = await page
  const zipped = (request.headers.get('accept-encoding') ?? '').includes('gzip')
  return new Response(zipped ? gzipped : plain, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      vary: 'accept, accept-encoding',
      'cache-control': 'no-cache',
      ...(zipped ? { 'content-encoding': 'gzip' } : {}),
    },
  })
}

/** Nine megabytes: loaded and rendered when someone asks for the first time. */
async function renderPage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const options = {
    title: 'Carillon',
    endpoint: '/graphql',
    subscriptionsProtocol: 'WS',

    // What the first tab begins with; the page would put a text about itself there.
    query: TABS[0].query,
    shouldPersistHeaders: false,
  } as const
  const plain = renderGraphiQL({ ...options, defaultTabs: [...TABS] })
  const gzipped = await promisify(gzip)(plain, { level: constants.Z_BEST_SPEED })
  return { plain, gzipped: new Uint8Array(gzipped) }
}
