/**
 * session.test - what a reader meets: a session that ends, a daemon that restarts underneath, languages, the keyboard, changes of lists
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { API_KEY, API_USER, startDaemon, type Daemon } from '../support/daemon.ts'
import { hasBrowser, useBrowser } from '../support/browser-page.ts'
import { fillWithHostileTexts, HOSTILE_STORE, signInAs, signOutEverywhere, startConsole, urlOf, type Reader } from './console-daemon.ts'

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  let daemon: Daemon
  beforeAll(async () => {
    daemon = await startConsole(HOSTILE_STORE)
    await fillWithHostileTexts(daemon)
  })
  afterAll(() => daemon.stop())

  const openAs = async (reader: Reader, path: string): Promise<Page> => {
    const { page, context } = await open({ baseURL: urlOf(daemon) })
    await signInAs(context, daemon, reader)
    await page.goto(path)
    await page.locator('main h1').waitFor()
    return page
  }

  test('a session that ends shows the sign-in over the page, and what was typed stays', async () => {
    const page = await openAs('operator', '/console/suppressions')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByLabel('Addresses or domains').fill('carol@example.org')
    await signOutEverywhere(daemon, 'operator')
    await page.locator('dialog').getByRole('button', { name: 'Add', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' })
    await dialog.getByLabel('Password').fill('correct horse battery')
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click()
    await dialog.waitFor({ state: 'detached' })
    expect(await page.getByLabel('Addresses or domains').inputValue()).toBe('carol@example.org')
    await page.locator('dialog').getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByText('1 entries are added.').waitFor()
    expect(await page.getByRole('dialog').count()).toBe(0)
  })

  test('what was refused while the session had ended is read after the sign-in', async () => {
    const page = await openAs('operator', '/console/queue')
    await signOutEverywhere(daemon, 'operator')
    await page.getByRole('link', { name: 'Settings' }).click()
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' })
    await dialog.getByLabel('Password').fill('correct horse battery')
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('rowheader', { name: 'console.idleMinutes' }).waitFor()
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.getByText('Live', { exact: true }).waitFor()
    await signOutEverywhere(daemon, 'operator')
    await page.getByRole('link', { name: '30 days' }).click()
    await dialog.getByLabel('Password').fill('correct horse battery')
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('Live', { exact: true }).waitFor()
    expect(await page.getByRole('link', { name: '30 days' }).getAttribute('aria-current')).toBe('true')
  })

  test('somebody else who signs in begins with the first page', async () => {
    const page = await openAs('operator', '/console/settings')
    await signOutEverywhere(daemon, 'operator')
    await page.getByRole('link', { name: 'Accounts' }).click()
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' })
    await dialog.getByText('Account', { exact: true }).click()
    await dialog.getByLabel('API user').fill(API_USER)
    await dialog.getByLabel('API key').fill(API_KEY)
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    expect(await page.getByRole('link', { name: 'Settings' }).count()).toBe(0)
    expect(new URL(page.url()).pathname).toBe('/console/')
  })

  test('the way back to a list leads to the row that one came from', async () => {
    const { api } = daemon
    const recipients = Array.from({ length: 40 }, (_, n) => `reader${n}@example.org`)
    await api('POST', '/v1/messages', { from: 'news@example.com', subject: 'Hello', recipients })
    const page = await openAs('viewer', '/console/messages')
    const link = page.getByRole('link', { name: 'reader5@example.org' })
    await link.scrollIntoViewIfNeeded()
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight / 2))
    const before = await page.evaluate(() => scrollY)
    expect(before).toBeGreaterThan(300)
    await page.evaluate(() => [...document.querySelectorAll<HTMLAnchorElement>('tbody th a')].at(20)?.click())
    await page.getByRole('heading', { name: 'Timeline' }).waitFor()
    await expect.poll(() => page.evaluate(() => scrollY)).toBe(0)
    await page.goBack()
    await expect.poll(() => page.evaluate(() => scrollY)).toBe(before)
  })

  test('a list is changed by its buttons, and the look-up shows it', async () => {
    const page = await openAs('operator', '/console/suppressions?list=block')
    await page.getByRole('button', { name: 'Remove: eve@example.org' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByText('eve@example.org is removed.').waitFor()
    await page.getByRole('searchbox').fill('eve@example.org')
    await page.getByRole('searchbox').press('Enter')
    await page.getByRole('table', { name: 'eve@example.org on the lists' }).getByText('removed').waitFor()
    expect(new URL(page.url()).searchParams.get('address')).toBe('eve@example.org')
  })

  test('the language and the colours are chosen, and stay after a reload', async () => {
    const page = await openAs('viewer', '/console/profile')
    await page.getByRole('main').getByRole('button', { name: '中文' }).click()
    await page.getByRole('heading', { level: 1, name: '个人资料' }).waitFor()
    await page.getByRole('main').getByRole('button', { name: '深色' }).click()
    await page.reload()
    await page.getByRole('heading', { level: 1, name: '个人资料' }).waitFor()
    expect(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dataset['theme']])).toEqual([
      'zh-Hans',
      'dark',
    ])
  })

  test('the keyboard goes from the skip link to the page, and a new page takes the focus to its title', async () => {
    const page = await openAs('viewer', '/console/messages')
    await page.locator('main h1').waitFor()
    await page.evaluate(() => document.body.focus())
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.className)).toBe('skip-link')
    await page.getByRole('link', { name: 'Overview' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => document.activeElement?.tagName === 'H1' && document.activeElement.textContent === 'Overview')
    expect(await page.title()).toBe('Overview · bounced')
  })

  test('signing out everywhere ends the page of another browser', async () => {
    const [one, other] = [await openAs('viewer', '/console/profile'), await openAs('viewer', '/console/messages')]
    await one.getByRole('button', { name: 'Sign out everywhere' }).click()
    await one.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click()
    await one.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
    await other.getByRole('link', { name: 'Overview' }).click()
    const dialog = other.getByRole('dialog', { name: 'Your session has ended' })
    await dialog.waitFor()
    expect(await dialog.getByLabel('Name').inputValue()).toBe('the-viewer')
  })

  test('a daemon that restarts underneath is said, and the page goes on by itself', async () => {
    const page = await openAs('viewer', '/console/')
    const { data, httpPort } = daemon
    await daemon.stop()
    await page.getByText('The daemon does not answer. This page tries again').waitFor()
    daemon = await startDaemon({
      data,
      env: { BOUNCED_CONSOLE_ENABLED: 'true', BOUNCED_HTTP_PORT: String(httpPort), BOUNCED_HTTP_ADMIN_PORT: '0' },
    })
    await page.getByText('The daemon does not answer. This page tries again').waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'Messages' }).click()
    await page.getByRole('heading', { level: 1, name: 'Messages' }).waitFor()
    expect(await page.getByRole('dialog').count()).toBe(0)
  })
})
