/** jumps.test - while events arrive, nothing on a page that stays open moves by itself */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Daemon } from '../support/daemon.ts'
import { hasBrowser, useBrowser } from '../support/browser-page.ts'
import { signInAs, startConsole, urlOf } from './console-daemon.ts'

/** A tenth of what browsers call good for a whole visit: https://web.dev/articles/cls. */
const MAX_SHIFT = 0.01

/** Adds up the layout shifts of the page, as the browser measures them. */
const WATCH = `
  window.shifts = 0
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shifts += entry.value
  }).observe({ type: 'layout-shift', buffered: true })
`

const shiftsOf = (page: Page): Promise<number> => page.evaluate(() => Number(Reflect.get(globalThis, 'shifts')))

/** The shifts of a page that has been loaded: in a second, nothing moved. */
async function settle(page: Page): Promise<number> {
  let last = -1
  const isStill = async (): Promise<boolean> => {
    const now = await shiftsOf(page)
    const same = now === last
    last = now
    return same
  }
  await page.getByText('No alert is raised').waitFor()
  await expect.poll(isStill, { interval: 1_000 }).toBe(true)
  return last
}

/** Registers a message, and reports that a remote server refused it. */
async function refuseOne({ api }: Daemon, recipient: string): Promise<void> {
  const made = await api('POST', '/v1/messages', { from: 'news@example.com', subject: 'Hello', recipients: [recipient] })
  const { recipients } = made.body as { recipients: { emailId: string }[] }
  await api('POST', '/v1/attempts', { emailId: recipients[0]?.emailId, code: 550, text: '5.1.1 User unknown' })
}

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  let daemon: Daemon
  beforeAll(async () => {
    daemon = await startConsole()
    await refuseOne(daemon, 'first@example.org')
  })
  afterAll(() => daemon.stop())

  test('the measure sees a jump', async () => {
    const { page } = await open()
    await page.addInitScript(WATCH)
    await page.goto('data:text/html,<!doctype html><main><p>one</p><p style="height:300px;background:silver">two</p></main>')
    await page.evaluate(() => document.querySelector('main')?.prepend(document.createElement('hr'), document.createElement('table')))
    await page.evaluate(() => document.querySelector('hr')?.setAttribute('style', 'height:200px'))
    await expect.poll(() => shiftsOf(page)).toBeGreaterThan(MAX_SHIFT)
  })

  test.each(['account', 'operator'] as const)('the overview of %s counts up and stays where it is', async (reader) => {
    const { page, context } = await open({ baseURL: urlOf(daemon), viewport: { width: 1280, height: 900 } })
    await signInAs(context, daemon, reader)
    await page.addInitScript(WATCH)
    await page.goto('/console/')
    await page.locator('main h1').waitFor()
    await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' })
    const sent = page.locator('dl.figures .big').first()
    await expect.poll(() => sent.innerText()).toMatch(/^\d+$/)
    const before = Number(await sent.innerText())
    const shiftsBefore = await settle(page)
    for (let i = 0; i < 5; i++) await refuseOne(daemon, `${reader}${i}@example.org`)
    await expect.poll(async () => Number(await sent.innerText())).toBe(before + 5)
    expect((await shiftsOf(page)) - shiftsBefore).toBeLessThan(MAX_SHIFT)
  })

  // The last test: it ends the daemon.
  test('a daemon that goes away is said without moving the page', async () => {
    const { page, context } = await open({ baseURL: urlOf(daemon), viewport: { width: 1280, height: 900 } })
    await signInAs(context, daemon, 'viewer')
    await page.addInitScript(WATCH)
    await page.goto('/console/')
    await page.locator('main h1').waitFor()
    const shiftsBefore = await settle(page)
    await daemon.stop()
    await page.getByText('The daemon does not answer. This page tries again').waitFor()
    expect((await shiftsOf(page)) - shiftsBefore).toBeLessThan(MAX_SHIFT)
  })
})
