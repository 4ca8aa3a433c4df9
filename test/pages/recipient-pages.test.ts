/**
 * recipient-pages.test - a reader in a real browser: opens a mail, follows a link, unsubscribes with a reason, and undoes it
 *
 * The mails are those that a daemon delivers. See also: http/tracking, docs/TRACKING.md.
 */
import { createServer, type Server } from 'node:http'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findAccessibilityProblems, hasBrowser, useBrowser } from '../support/browser-page.ts'
import { startTrackingApp, type TrackingApp } from '../support/tracking-app.ts'

const ALL = ['open_tracking', 'click_tracking', 'subscription_tracking']
/** The element that has the focus, and its value. The tests have no types of the DOM, so what runs in the page is text. */
const FOCUSED = '`${document.activeElement.tagName} ${document.activeElement.value ?? ""}`.trim()'
const READER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'
const filters = Object.fromEntries(ALL.map((name) => [name, { settings: { enable: '1' } }]))

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  let app: TrackingApp
  let shop: Server
  let target: string
  let sent = 0

  beforeAll(async () => {
    app = await startTrackingApp()
    const look = { pageName: 'Example News', pageColour: '#b3261e' }
    await app.request('PATCH', '/v1/account/settings', look)
    shop = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>Sale</title><h1>Sale</h1>')
    })
    await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve))
    const address = shop.address()
    target = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/sale?a=1&b=2`
  })
  afterAll(async () => {
    shop.close()
    await app.close()
  })

  /** The HTML of a delivered mail to a new address, and its links. */
  async function sendMail(): Promise<{ readonly to: string; readonly html: string; readonly unsubscribe: string }> {
    const to = `reader-${++sent}@example.net`
    const html = `<html lang="en"><title>News</title><body><h1>News</h1><p><a href="${target.replace('&', '&amp;')}">See the sale</a></p></body></html>`
    const mail = { from: 'Example News <news@example.com>', subject: 'News', html, xsmtpapi: { to: [to], filters } }
    expect((await app.request('POST', '/api/mail/send', mail)).status).toBe(200)
    const received = String((await app.receive(to)).html)
    return { to, html: received, unsubscribe: new RegExp(`${app.origin}/u/[a-z2-7]{30}`).exec(received)?.[0] ?? '' }
  }
  const statusOf = async (to: string): Promise<string> => JSON.stringify((await app.request('GET', `/v1/messages?recipient=${to}`)).body)
  const isListed = async (to: string): Promise<boolean> =>
    JSON.stringify((await app.request('POST', '/v1/suppressions/check', { addresses: [to] })).body).includes('"unsubscribe"')
  const headingOf = (page: Page): Promise<string | null> => page.getByRole('heading', { level: 1 }).textContent()
  const hasSidewaysScroll = (page: Page): Promise<boolean> =>
    page.evaluate<boolean>('document.documentElement.scrollWidth > document.documentElement.clientWidth')

  test('a reader opens a mail, and follows a link to its target', async () => {
    const { to, html } = await sendMail()
    // A browser without a window says so in its user agent, and would be a machine.
    const { page, problems } = await open({ userAgent: READER })
    const image = page.waitForResponse((response) => response.url().includes('/o/'))
    await page.setContent(html)
    expect(await (await image).body()).toHaveLength(43)
    await page.getByRole('link', { name: 'See the sale' }).click()
    await page.getByRole('heading', { name: 'Sale' }).waitFor()
    expect([page.url(), problems()]).toEqual([target, []])
    await expect.poll(() => statusOf(to)).toContain('"openedAt":"2')
    expect(await page.context().cookies()).toEqual([])
  })

  test('a reader unsubscribes with a reason, and undoes it', async () => {
    const { to, unsubscribe } = await sendMail()
    const { page, problems } = await open()
    await page.goto(unsubscribe)
    expect(await headingOf(page)).toBe('Unsubscribe')
    expect(await page.textContent('main')).toContain('Example News')
    expect(await page.content()).not.toContain(to)
    expect(await page.textContent('main')).toContain('r***@example.net')
    expect(await isListed(to)).toBe(false)
    await page.getByRole('radio').nth(2).check()
    await page.getByRole('button').click()
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    expect(await isListed(to)).toBe(true)
    await page.getByRole('button', { name: 'Undo' }).click()
    await expect.poll(() => isListed(to)).toBe(false)
    expect(await page.getByRole('button').count()).toBe(0)
    expect([problems(), await page.context().cookies()]).toEqual([[], []])
  })

  test('the keyboard is enough', async () => {
    const { to, unsubscribe } = await sendMail()
    const { page } = await open()
    await page.goto(unsubscribe)
    const focused = (): Promise<string> => page.evaluate<string>(FOCUSED)
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('INPUT 0')
    await page.keyboard.press('ArrowDown')
    expect(await focused()).toBe('INPUT 1')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('BUTTON')
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    await page.keyboard.press('Enter')
    await page.locator('input[name=permit]').waitFor({ state: 'attached' })
    expect(await isListed(to)).toBe(true)
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await expect.poll(() => isListed(to)).toBe(false)
  })

  const looks: readonly (readonly [string, BrowserContextOptions, string, string])[] = [
    ['light', {}, 'en', 'ltr'],
    ['dark', { colorScheme: 'dark' }, 'en', 'ltr'],
    ['360 pixels wide', { viewport: { width: 360, height: 640 } }, 'en', 'ltr'],
    ['320 pixels wide, German, dark', { viewport: { width: 320, height: 640 }, locale: 'de-DE', colorScheme: 'dark' }, 'de', 'ltr'],
    ['Arabic', { locale: 'ar-EG' }, 'ar', 'rtl'],
    ['Hebrew on a telephone, dark', { locale: 'he-IL', viewport: { width: 360, height: 640 }, colorScheme: 'dark' }, 'he', 'rtl'],
    ['Chinese', { locale: 'zh-CN' }, 'zh-CN', 'ltr'],
  ]
  test.each(looks)('everybody can use every page: %s', async (_title, options, language, direction) => {
    const { unsubscribe } = await sendMail()
    const { page, problems } = await open(options)
    const findings: string[] = []
    const check = async (name: string): Promise<void> => {
      const [found, isWide] = [await findAccessibilityProblems(page), await hasSidewaysScroll(page)]
      findings.push(...found.map((each) => `${name}: ${each}`), ...(isWide ? [`${name}: scrolls sideways`] : []))
    }
    await page.goto(unsubscribe)
    expect(await page.evaluate('[document.documentElement.lang, document.documentElement.dir]')).toEqual([language, direction])
    await check('question')
    await page.getByRole('button').click()
    await page.locator('input[name=permit]').waitFor({ state: 'attached' })
    await check('confirmation')
    await page.getByRole('button').click()
    await page.getByRole('button').waitFor({ state: 'detached' })
    await check('undone')
    const broken = [`${app.origin}/u/${'a'.repeat(30)}`, `${app.origin}/c/${'a'.repeat(30)}/x/y`]
    for (const url of broken) {
      await page.goto(url)
      await check(url)
    }
    expect(findings).toEqual([])
    // Chromium reports every page with a status of 400 or above.
    expect(problems().filter((line) => !line.startsWith('Failed to load resource'))).toEqual([])
  })

  test('the pages work without scripts', async () => {
    const { to, unsubscribe } = await sendMail()
    const { page } = await open({ javaScriptEnabled: false })
    await page.goto(unsubscribe)
    await page.getByRole('button').click()
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    expect(await isListed(to)).toBe(true)
  })
})
