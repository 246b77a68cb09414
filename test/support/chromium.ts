import { type Browser, chromium } from 'playwright-core'
import { inject } from 'vitest'

/** Where Chromium is; null where there is none, and its tests are skipped. */
export const CHROMIUM = inject('chromium')

/** As root in a container, without its own sandbox; and without calls to its maker's hosts. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM ?? '', args: ARGUMENTS })
}
