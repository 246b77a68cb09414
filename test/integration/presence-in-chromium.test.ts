import { setTimeout as delay } from 'node:timers/promises'
import { createCarillon } from 'carillon'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { CHROMIUM, launchChromium } from '../support/chromium.ts'
import { type ExamplePage, serveExample } from '../support/example-page.ts'
import type { ToldEvent } from '../support/presence.ts'

const GRACE_MS = 3_000

/** After it nothing more comes of a client that is gone. */
const QUIET_MS = GRACE_MS + 1_500

const SOON = { timeout: 15_000, interval: 20 }

/** A tab, and what it has been told. */
interface Tab extends AsyncDisposable {
  readonly page: Page
  /** Each event of presence that came over its sockets, in a line: `JOIN ann bob`. */
  readonly lines: readonly string[]
  /** What went wrong in it. */
  readonly problems: readonly string[]
}

describe.skipIf(CHROMIUM === null)('the example of presence in Chromium', () => {
  let server: TestServer
  let example: ExamplePage
  let browser: Browser
  let rooms = 0

  beforeAll(async () => {
    server = await startServer({ presence: { graceMs: GRACE_MS } })
    example = await serveExample('presence')
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser.close()
    await example[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  /** A browser of its own, at the page of a room; @param name null to be asked for it */
  async function visit(room: string, name: string | null, url = server.socketUrl): Promise<Tab> {
    const context = await browser.newContext({ viewport: { width: 1000, height: 600 } })
    const page = await context.newPage()
    page.setDefaultTimeout(SOON.timeout)
    const lines: string[] = []
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('websocket', (socket) => {
      socket.on('framereceived', ({ payload }) => lines.push(...presenceIn(String(payload))))
    })
    const query = new URLSearchParams({ room, server: url })
    if (name !== null) query.set('name', name)
    await page.goto(`${example.url}?${query}`)
    return { page, lines, problems, [Symbol.asyncDispose]: () => context.close() }
  }

  /** Two who see each other. */
  async function visitTwice() {
    const room = `chromium-${++rooms}`
    const ann = await visit(room, 'ann')
    await members(ann.page, ['ann'])
    const bob = await visit(room, 'bob')
    for (const { page } of [ann, bob]) await members(page, ['ann', 'bob'])
    return {
      room,
      ann,
      bob,
      async [Symbol.asyncDispose]() {
        await ann[Symbol.asyncDispose]()
        await bob[Symbol.asyncDispose]()
      },
    }
  }

  async function clientIds(room: string, name: string): Promise<readonly string[]> {
    const members = await server.carillon.members(`room:${room}`)
    return members.find(({ userId }) => userId === name)?.clientIds ?? []
  }

  test('shows who is here, their cursors, what they type and say', async () => {
    await using two = await visitTwice()
    const { ann, bob } = two
    await bob.page.mouse.move(200, 200)
    const cursor = ann.page.locator('.cursor')
    await cursor.filter({ hasText: 'bob' }).waitFor()
    expect(await cursor.count()).toBe(1)
    expect(await bob.page.locator('.cursor').count()).toBe(0)
    await expectCursorAt(ann.page, 200, 200)
    await bob.page.mouse.move(300, 400, { steps: 50 })
    await expectCursorAt(ann.page, 300, 400)

    await bob.page.locator('#words').focus()
    await bob.page.keyboard.type('Good evening')
    await ann.page.locator('.member.typing').filter({ hasText: 'bob' }).waitFor()
    await bob.page.keyboard.press('Enter')
    for (const { page } of [ann, bob]) {
      await expect
        .poll(() => page.locator('#said li').allInnerTexts(), SOON)
        .toEqual(['bob Good evening'])
    }
    await ann.page.locator('.member.typing').waitFor({ state: 'detached' })

    await bob.page.mouse.move(900, 100) // off the stage
    await cursor.waitFor({ state: 'hidden' })
    if (process.env.CARILLON_PRESENCE_SCREENSHOT !== undefined) {
      await bob.page.mouse.move(300, 300)
      await bob.page.keyboard.type('And')
      await ann.page.locator('.member.typing').waitFor()
      await ann.page.screenshot({ path: process.env.CARILLON_PRESENCE_SCREENSHOT })
    }
    expect([...ann.problems, ...bob.problems]).toEqual([])
  }, 60_000)

  test('mouse moves leave at most 20 times a second', async () => {
    await using two = await visitTwice()
    const { ann, bob } = two
    await bob.page.mouse.move(100, 200)
    await ann.page.locator('.cursor').waitFor()
    let sent = 0
    const cdp = await bob.page.context().newCDPSession(bob.page)
    await cdp.send('Network.enable')
    cdp.on('Network.webSocketFrameSent', ({ response }) => {
      if (response.payloadData.includes('"cursor"')) sent++
    })
    const startedAt = performance.now()
    let moves = 0
    while (moves < 200) await bob.page.mouse.move(100 + (moves++ % 400), 250)
    await expect.poll(() => sent, SOON).toBeGreaterThan(2)
    expect(sent).toBeLessThanOrEqual((performance.now() - startedAt) / 50 + 2)
    await expectCursorAt(ann.page, 299, 250)
  }, 60_000)

  test('a reload is not seen by others', async () => {
    await using two = await visitTwice()
    const { ann, bob } = two
    const seen = ann.lines.length
    const clients = await clientIds(two.room, 'bob')
    await watchElements(ann.page)
    for (let turn = 0; turn < 3; turn++) {
      await bob.page.reload()
      await members(bob.page, ['ann', 'bob'])
    }
    await delay(QUIET_MS)
    expect(ann.lines.slice(seen)).toEqual([])
    expect(await ann.page.evaluate('window.changes')).toEqual([])
    expect(await clientIds(two.room, 'bob')).toEqual(clients)
    expect(bob.problems).toEqual([])
  }, 60_000)

  test('a window that is opened from a tab is another client of the same user', async () => {
    await using two = await visitTwice()
    const { ann, bob } = two
    const seen = ann.lines.length
    const opened = bob.page.waitForEvent('popup')
    await bob.page.evaluate('void window.open(location.href)') // with a copy of sessionStorage
    const popup = await opened
    await members(popup, ['ann', 'bob'])
    expect(await clientIds(two.room, 'bob')).toHaveLength(2)
    await popup.close()
    await expect.poll(() => clientIds(two.room, 'bob'), SOON).toHaveLength(1)
    await expect.poll(() => ann.lines.slice(seen), SOON).toEqual(['UPDATE bob', 'UPDATE bob'])
  }, 60_000)

  test('a tab that is closed leaves once, after the grace', async () => {
    await using two = await visitTwice()
    const { ann, bob } = two
    const seen = ann.lines.length
    const closedAt = performance.now()
    await bob.page.close()
    await members(ann.page, ['ann'])
    expect(performance.now() - closedAt).toBeGreaterThan(GRACE_MS - 100)
    await delay(QUIET_MS)
    expect(ann.lines.slice(seen)).toEqual(['LEAVE bob'])
  }, 60_000)

  test('a tab that crashes leaves once', async () => {
    await using two = await visitTwice()
    const { ann, bob } = two
    const seen = ann.lines.length
    const crashed = bob.page.waitForEvent('crash')
    bob.page.goto('chrome://crash').catch(() => undefined) // answered by nobody
    await crashed
    await members(ann.page, ['ann'])
    await delay(QUIET_MS)
    expect(ann.lines.slice(seen)).toEqual(['LEAVE bob'])
  }, 60_000)

  test('a tab that is hidden for a while is away until it is shown again', async () => {
    await using two = await visitTwice()
    const { ann, bob } = two
    const seen = ann.lines.length
    const away = ann.page.locator('.member.away').filter({ hasText: 'bob' })
    await setHidden(bob.page, true)
    await away.waitFor()
    await setHidden(bob.page, false)
    await away.waitFor({ state: 'detached' })
    expect(ann.lines.slice(seen)).toEqual(['UPDATE bob', 'UPDATE bob'])
  }, 60_000)

  test('asks for a name, and says where the server refuses something', async () => {
    await using tab = await visit(`chromium-${++rooms}`, null)
    await tab.page.locator('#name').fill('cara')
    await tab.page.locator('#entrance button').click()
    await members(tab.page, ['cara'])
    await using refused = await visit('not a topic', 'cara')
    await expect.poll(() => refused.page.locator('#problem').textContent(), SOON).toContain('topic')
    expect([...tab.problems, ...refused.problems]).toEqual([])
  }, 60_000)

  test('a server that is away for a while is waited for', async () => {
    await using first = await startServer()
    const room = `chromium-${++rooms}`
    await using tab = await visit(room, 'dora', first.socketUrl)
    await members(tab.page, ['dora'])
    await first.carillon.close()
    await tab.page.locator('body.offline').waitFor()
    await delay(2_000) // it tries in vain meanwhile
    await using next = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
    await next.listen({ port: Number(new URL(first.url).port) })
    await expect
      .poll(() => next.members(`room:${room}`), SOON)
      .toMatchObject([{ userId: 'dora', state: { isAway: false } }])
    await tab.page.locator('body:not(.offline)').waitFor()
  }, 60_000)
})

/** The events of presence in a frame, each in a line. */
function presenceIn(frame: string): readonly string[] {
  const { payload } = JSON.parse(frame) as { payload?: { data?: { presence?: ToldEvent } | null } }
  const event = payload?.data?.presence
  return event === undefined
    ? []
    : [[event.type, ...event.members.map((it) => it.userId)].join(' ')]
}

/** Waits until a page shows these. */
async function members(page: Page, names: readonly string[]): Promise<void> {
  const shown = () => page.locator('.member .name').allInnerTexts()
  await expect.poll(async () => (await shown()).sort(), SOON).toEqual(names)
}

/** No tab of a Chromium without a screen is ever hidden: it is only told so. */
async function setHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  `)
}

/** Notes whatever appears, disappears or changes its look in a page from now on. */
async function watchElements(page: Page): Promise<void> {
  await page.evaluate(`
    window.changes = []
    new MutationObserver((records) => {
      for (const { type, target } of records) window.changes.push(type + ' of ' + target.outerHTML)
    }).observe(document.body, { subtree: true, childList: true, attributes: true })
  `)
}

/** Waits until the one cursor of a page stands where another page, as large, has its mouse. */
async function expectCursorAt(page: Page, x: number, y: number): Promise<void> {
  const place = async () => {
    const box = await page.locator('.cursor').boundingBox()
    return Math.hypot((box?.x ?? 0) - x, (box?.y ?? 0) - y)
  }
  await expect.poll(place, SOON).toBeLessThan(3)
}
