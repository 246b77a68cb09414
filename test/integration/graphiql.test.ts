import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { CHROMIUM, launchChromium } from '../support/chromium.ts'

/** The tabs of the first visit, by where they stand. */
const LIVE = 0
const PUBLISH = 1
const HISTORY = 2

describe.skipIf(CHROMIUM === null)('GraphiQL in a browser', () => {
  let server: TestServer
  let browser: Browser

  beforeAll(async () => {
    server = await startServer()
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser.close()
    await server[Symbol.asyncDispose]()
  })

  /** A new visitor on the page, and the requests that it made. */
  async function visit() {
    const context = await browser.newContext({ viewport: { width: 1400, height: 800 } })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    const requests: string[] = []
    const problems: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text())
    })
    await page.goto(server.url)
    await page.locator('.graphiql-execute-button').waitFor()
    return { page, requests, problems, [Symbol.asyncDispose]: () => context.close() }
  }

  async function openTab(page: Page, index: number): Promise<void> {
    // By keyboard: the tabs can be dragged, and take a click of no duration for a drag.
    await page.locator('.graphiql-tab-button').nth(index).press('Enter')
    await page
      .locator('.graphiql-tab')
      .nth(index)
      .and(page.locator('.graphiql-tab-active'))
      .waitFor()
  }

  async function run(page: Page): Promise<void> {
    await page.locator('.graphiql-execute-button').click()
  }

  /** What the answer says; the editor writes spaces that do not break. */
  async function answerOf(page: Page): Promise<string> {
    const text = await page.locator('.result-window').textContent()
    return (text ?? '').replaceAll('\u00a0', ' ')
  }

  /** Runs the open tab until the answer has this text: the page takes a while to be all there. */
  async function runUntil(page: Page, text: string): Promise<void> {
    const runOnce = async () => {
      await run(page)
      return answerOf(page)
    }
    await expect.poll(runOnce, { timeout: 20_000, interval: 500 }).toContain(text)
  }

  test('a subscription shows a message that another tab of the browser publishes', async () => {
    await using watcher = await visit()
    await using publisher = await visit()
    await openTab(watcher.page, LIVE)
    await run(watcher.page)
    await openTab(publisher.page, PUBLISH)
    await runUntil(publisher.page, 'publishedAt')
    const publishAgain = async () => {
      await run(publisher.page) // the subscription may not have been live before
      return answerOf(watcher.page)
    }
    await expect
      .poll(publishAgain, { timeout: 20_000, interval: 500 })
      .toContain('Hello, Carillon!')
    await openTab(publisher.page, HISTORY)
    await runUntil(publisher.page, 'Hello, Carillon!')
    if (process.env.CARILLON_SCREENSHOT !== undefined) {
      await watcher.page.screenshot({ path: process.env.CARILLON_SCREENSHOT })
    }
    const { host } = new URL(server.url)
    for (const { requests, problems } of [watcher, publisher]) {
      expect(problems).toEqual([])
      const elsewhere = requests.filter(
        (url) => !url.startsWith('blob:') && !url.startsWith('data:') && new URL(url).host !== host,
      )
      expect(elsewhere).toEqual([])
    }
  }, 90_000)

  test('offers operations to click: each of them runs', async () => {
    await using visitor = await visit()
    const { page } = visitor
    const tabs = await page.locator('.graphiql-tab-button').allInnerTexts()
    expect(tabs).toEqual(['Live', 'Publish', 'History', 'Acknowledge', 'Topics', 'Presence'])
    for (const [index, answer] of [
      [PUBLISH, 'duplicate'],
      [HISTORY, 'headSequence'],
      [3, 'ackedSequence'],
      [4, 'chat:1'],
      [5, 'SYNC'],
    ] as const) {
      await openTab(page, index)
      await runUntil(page, answer)
      expect(await answerOf(page)).not.toContain('errors')
    }
  }, 90_000)
})
