import { describe, expect, test } from 'vitest'
import { startServer } from '../../support/carillon.ts'
import { CHROMIUM, launchChromium } from '../../support/chromium.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'

const SOON = { timeout: 20_000, interval: 300 }

describe.skipIf(CHROMIUM === null)('GraphiQL where a token is needed', () => {
  test('has a header for it in every tab, and subscribes with it', async () => {
    await using server = await startServer({ jwt: { secret: SECRET } })
    const browser = await launchChromium()
    try {
      const context = await browser.newContext({ viewport: { width: 1400, height: 800 } })
      const page = await context.newPage()
      page.setDefaultTimeout(15_000)
      await page.goto(server.url)
      const play = page.locator('.graphiql-execute-button')
      await play.waitFor()
      const answer = async () => {
        const text = await page.locator('.result-window').textContent()
        return (text ?? '').replaceAll('\u00a0', ' ')
      }
      await expect.poll(answer, SOON).toContain('Valid credentials are needed.')

      await page.getByText('Headers', { exact: true }).first().click()
      await page.getByText('authorization').first().click()
      await page.keyboard.press('End')
      await page.keyboard.press('ArrowLeft') // inside the quotes, behind "Bearer "
      await page.keyboard.insertText(await tokenOf())
      await play.click()
      let count = 0
      const publishAndLook = async () => {
        await server.carillon.publish({ topic: 'chat:1', payload: { text: `message ${++count}` } })
        return answer()
      }
      await expect.poll(publishAndLook, SOON).toMatch(/"text": "message \d/)
    } finally {
      await browser.close()
    }
  }, 90_000)
})
