import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { CHROMIUM, launchChromium } from '../support/chromium.ts'
import { type ExamplePage, serveExample } from '../support/example-page.ts'
import { openTcpProxy } from '../support/tcp-proxy.ts'

const SOON = { timeout: 20_000, interval: 50 }

/** By hand, `CARILLON_CHAT_MESSAGES=100000`, which takes a minute. */
const MANY = Number(process.env.CARILLON_CHAT_MESSAGES ?? 20_000)

/** A port that nobody listens on. */
const NOWHERE = 1

/** In which a client that is gone counts as present. */
const GRACE_MS = 1_000

interface Tab extends AsyncDisposable {
  readonly page: Page
  readonly problems: readonly string[]
  /** What it shows, oldest first. */
  messages(): Promise<readonly string[]>
  say(text: string): Promise<void>
  setOffline(isOffline: boolean): Promise<void>
}

/** The examples, and how many messages each shows at most. */
const CHATS = [
  { name: 'chat', shown: 500 },
  { name: 'chat-react', shown: 1_000 },
]

describe.skipIf(CHROMIUM === null).each(CHATS)(
  'the example $name in Chromium',
  ({ name: example, shown }) => {
    let server: TestServer
    let served: ExamplePage
    let browser: Browser

    beforeAll(async () => {
      server = await startServer({ presence: { graceMs: GRACE_MS } })
      served = await serveExample(example)
      browser = await launchChromium()
    })
    afterAll(async () => {
      await browser?.close()
      await served?.[Symbol.asyncDispose]()
      await server?.[Symbol.asyncDispose]()
    })

    async function visit(topic: string, name: string): Promise<Tab> {
      const port = Number(new URL(server.url).port)
      const proxy = await openTcpProxy(port)
      const context = await browser.newContext({ viewport: { width: 560, height: 420 } })
      const page = await context.newPage()
      page.setDefaultTimeout(SOON.timeout)
      const problems: string[] = []
      page.on('pageerror', (error) => problems.push(error.message))
      const query = new URLSearchParams({
        topic,
        name,
        server: `http://127.0.0.1:${proxy.port}/graphql`,
      })
      await page.goto(`${served.url}?${query}`)
      await page
        .locator('#state')
        .filter({ hasText: `${name}: live` })
        .waitFor()
      return {
        page,
        problems,
        messages: () => page.locator('#messages li').allInnerTexts(),
        async say(text) {
          await page.getByLabel('Message', { exact: true }).fill(text)
          await page.keyboard.press('Enter')
        },
        async setOffline(isOffline) {
          // Chromium leaves open what is open.
          proxy.leadTo(isOffline ? NOWHERE : port)
          if (isOffline) proxy.cut()
          await context.setOffline(isOffline)
        },
        async [Symbol.asyncDispose]() {
          await context.close()
          await proxy[Symbol.asyncDispose]()
        },
      }
    }

    test('three tabs, of which one goes offline and comes back, have everything, once and in order', async () => {
      await using ann = await visit('chat:three', 'ann')
      await using bob = await visit('chat:three', 'bob')
      await using eve = await visit('chat:three', 'eve')
      const tabs = [ann, bob, eve]
      const expected: string[] = []
      async function everyoneSees() {
        for (const { messages } of tabs) await expect.poll(messages, SOON).toEqual(expected)
      }
      for (const [tab, text] of [
        [ann, 'Hello'],
        [bob, 'Good evening'],
        [eve, '__proto__ <b>'],
      ] as const) {
        await tab.say(text)
        expected.push(`${tab === ann ? 'ann' : tab === bob ? 'bob' : 'eve'}: ${text}`)
        await everyoneSees()
      }
      for (const { page } of tabs) {
        await expect
          .poll(() => page.locator('#members li').allInnerTexts(), SOON)
          .toEqual(['ann', 'bob', 'eve'])
      }

      await eve.setOffline(true)
      await eve.page
        .locator('#state')
        .filter({ hasText: /offline|connecting|resuming/ })
        .waitFor()
      await eve.say('Does anybody hear me?')
      await eve.page.locator('#messages .pending').waitFor()
      for (let n = 1; n <= 30; n++)
        await server.carillon.publish({ topic: 'chat:three', payload: { text: n } })
      await ann.say('eve is away')
      const missed = [
        ...Array.from({ length: 30 }, (_, n) => `backend: ${n + 1}`),
        'ann: eve is away',
      ]
      await expect.poll(ann.messages, SOON).toEqual([...expected, ...missed])
      if (process.env.CARILLON_CHAT_SCREENSHOT !== undefined) {
        await eve.page.screenshot({
          path: `${process.env.CARILLON_CHAT_SCREENSHOT}-${example}.png`,
        })
      }
      // Nobody sees her any more, and she sees what she said at the end of what she knows.
      await expect
        .poll(() => ann.page.locator('#members li').allInnerTexts(), SOON)
        .toEqual(['ann', 'bob'])
      expect(await eve.messages()).toEqual([...expected, 'eve: Does anybody hear me?'])

      await eve.setOffline(false)
      expected.push(...missed, 'eve: Does anybody hear me?')
      await everyoneSees()
      expect(await eve.page.locator('#messages .pending, #messages .failed').count()).toBe(0)
      for (const { page } of tabs) {
        await expect
          .poll(async () => (await page.locator('#members li').allInnerTexts()).sort(), SOON)
          .toEqual(['ann', 'bob', 'eve'])
      }
      expect(tabs.flatMap(({ problems }) => problems)).toEqual([])
    }, 120_000)

    test('a reload shows history and goes on live, without doubles', async () => {
      for (let n = 1; n <= 60; n++)
        await server.carillon.publish({ topic: 'chat:reload', payload: { text: n } })
      const newest = Array.from({ length: 50 }, (_, n) => `backend: ${n + 11}`)
      await using ann = await visit('chat:reload', 'ann')
      await expect.poll(ann.messages, SOON).toEqual(newest)
      await ann.say('I reload')
      await expect.poll(ann.messages, SOON).toEqual([...newest, 'ann: I reload'])
      await ann.page.reload()
      await server.carillon.publish({
        topic: 'chat:reload',
        payload: { text: 'while you were loading' },
      })
      await expect
        .poll(async () => (await ann.messages()).slice(-2), SOON)
        .toEqual(['ann: I reload', 'backend: while you were loading'])
      expect(new Set(await ann.messages()).size).toBe((await ann.messages()).length)
      expect(ann.problems).toEqual([])
    }, 60_000)

    test('shows who types', async () => {
      await using ann = await visit('chat:types', 'ann')
      await using bob = await visit('chat:types', 'bob')
      await bob.page.getByLabel('Message', { exact: true }).fill('Well')
      await ann.page.locator('#members li').filter({ hasText: 'bob types …' }).waitFor()
      await bob.page.keyboard.press('Enter')
      await ann.page.locator('#members li').filter({ hasText: /^bob$/ }).waitFor()
    }, 60_000)

    test(`takes no more memory after ${MANY} messages than after half of them`, async () => {
      await using ann = await visit('chat:many', 'ann')
      const devTools = await ann.page.context().newCDPSession(ann.page)
      let published = 0
      async function usedAfter(count: number): Promise<number> {
        while (published < count) {
          const message = () => ({
            topic: 'chat:many',
            payload: { text: String(++published) },
            ephemeral: published % 10 !== 0,
          })
          await server.carillon.publishMany(Array.from({ length: 100 }, message))
        }
        const isShown = async () => (await ann.messages()).at(-1)
        await expect.poll(isShown, SOON).toBe(`backend: ${count}`)
        await devTools.send('HeapProfiler.collectGarbage')
        return (await devTools.send('Runtime.getHeapUsage')).usedSize
      }
      const early = await usedAfter(MANY / 2)
      const late = await usedAfter(MANY)
      expect(late - early).toBeLessThan(1024 * 1024)
      expect((await ann.messages()).length).toBeLessThanOrEqual(shown)
    }, 120_000)
  },
)
