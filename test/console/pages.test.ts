/**
 * pages.test - every page in a browser: empty, small and large stores, texts of strangers, narrow screens, both languages, each role
 *
 * `BOUNCED_TEST_DELIVERIES`: how many deliveries the large store has (100,000 by default).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copiedEmailIds, copyDeliveries } from '../../bench/fill.ts'
import { API_USER, startDaemon, type Daemon } from '../support/daemon.ts'
import { findAccessibilityProblems, hasBrowser, useBrowser } from '../support/browser-page.ts'
import { fillWithHostileTexts, HOSTILE, HOSTILE_STORE, signInAs, startConsole, urlOf, type Reader } from './console-daemon.ts'
import { TEST_PAGES } from './pages.ts'

const NAVIGATION = join(import.meta.dirname, '../../console/app/navigation.ts')

test('each page of the console is tested', () => {
  const paths = [...readFileSync(NAVIGATION, 'utf8').matchAll(/^ {4}path: '([^']+)'/gm)].map(([, path = '']) => path)
  expect(TEST_PAGES.map(({ path }) => path).toSorted()).toEqual(paths.toSorted())
})

/** Ids that no store has: such a page says so. */
const ABSENT: Readonly<Record<string, string>> = {
  '/messages/:id': 'none',
  '/inbox/:id': 'ab'.repeat(32),
  '/rules/reclassifications/:id': '00000000-0000-7000-8000-000000000000',
}

/** `known`: the ids that the store has. */
const pathFor = (path: string, known: Readonly<Record<string, string>>): string =>
  `/console${path.replace(/:\w+/, encodeURIComponent(known[path] ?? ABSENT[path] ?? '1'))}`

/** The requests of a page are over, and it has been drawn. */
async function openPage(page: Page, path: string): Promise<void> {
  await page.goto(path)
  await page.locator('main h1').waitFor()
  await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' })
}

/** What is wider than the screen, by element. */
const findOverflow = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() =>
    document.documentElement.scrollWidth <= innerWidth
      ? []
      : [...document.querySelectorAll('main *')]
          .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
          .slice(0, 5)
          .map((each) => each.outerHTML.slice(0, 200)),
  )

/** Buttons and cells of tables that nobody can reach: right of a box that cuts them and does not scroll. */
const findCutCells = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll('main :is(th, td)')]
      .filter((cell) => {
        const box = cell.closest('.table-box')?.getBoundingClientRect()
        const scrolls = cell.closest('.table-scroll') !== null && !cell.matches('.actions')
        return box !== undefined && !scrolls && cell.getBoundingClientRect().right > box.right + 1
      })
      .slice(0, 5)
      .map((cell) => cell.outerHTML.slice(0, 200)),
  )

/** Rows with which one text fills the screen. On a phone each value of a row is a line. */
const findTallRows = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll('main tbody tr')]
      .filter((row) => innerWidth > 720 && row.getBoundingClientRect().height > innerHeight / 2)
      .slice(0, 5)
      .map((row) => row.outerHTML.slice(0, 200)),
  )

/** A page may ask for what does not exist; the browser logs the answer. */
const isExpected = (line: string): boolean => /the server responded with a status of 404/.test(line)

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  const VARIANTS = [
    ['wide', { viewport: { width: 1440, height: 900 } }],
    ['1024 px', { viewport: { width: 1024, height: 740 } }],
    ['360 px', { viewport: { width: 360, height: 740 } }],
    ['dark', { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' }],
    ['Chinese', { viewport: { width: 1440, height: 900 }, locale: 'zh-CN' }],
  ] as const

  /** Opens every page that the reader sees, and returns what is wrong with each as lines. */
  const checkPages = async (
    daemon: Daemon,
    known: Readonly<Record<string, string>>,
    options: object,
    reader: Reader = 'admin',
  ): Promise<readonly string[]> => {
    const { page, context, problems } = await open({ baseURL: urlOf(daemon), ...options })
    await signInAs(context, daemon, reader)
    const found: string[] = []
    for (const { path, seenBy } of TEST_PAGES) {
      if (!seenBy.includes(reader)) continue
      await openPage(page, pathFor(path, known))
      found.push(...(await findOverflow(page)).map((each) => `${path}: too wide: ${each}`))
      found.push(...(await findCutCells(page)).map((each) => `${path}: cut off: ${each}`))
      found.push(...(await findTallRows(page)).map((each) => `${path}: fills the screen: ${each}`))
      found.push(...(await findAccessibilityProblems(page)).map((each) => `${path}: ${each}`))
      if ((await page.evaluate(() => Reflect.get(globalThis, 'hacked'))) !== undefined) found.push(`${path}: a text was run as a script`)
    }
    return [...found, ...problems().filter((line) => !isExpected(line))]
  }

  describe('an empty store', () => {
    let daemon: Daemon
    beforeAll(async () => {
      daemon = await startConsole()
    })
    afterAll(() => daemon.stop())

    test.each(VARIANTS.slice(0, 3))('%s', async (_name, options) => expect(await checkPages(daemon, {}, options)).toEqual([]))
  })

  describe('a store with texts of strangers', () => {
    let daemon: Daemon
    let emailId: string
    let known: Readonly<Record<string, string>>
    beforeAll(async () => {
      daemon = await startConsole(HOSTILE_STORE)
      const store = await fillWithHostileTexts(daemon)
      emailId = store.emailId
      known = { '/messages/:id': emailId, '/inbox/:id': store.inboxId }
    })
    afterAll(() => daemon.stop())

    test.each(VARIANTS)('%s', async (_name, options) => expect(await checkPages(daemon, known, options)).toEqual([]))
    test.each(['viewer', 'operator', 'account'] as const)('as %s', async (reader) =>
      expect(await checkPages(daemon, known, {}, reader)).toEqual([]),
    )

    test('the texts are shown as they are, with the sign that turns the direction as its code', async () => {
      const { page, context } = await open({ baseURL: urlOf(daemon) })
      await signInAs(context, daemon, 'viewer')
      await openPage(page, `/console/messages/${encodeURIComponent(emailId)}`)
      const text = await page.locator('.page-head p').textContent()
      expect(text).toBe(HOSTILE.replaceAll('\u202E', 'U+202E').replaceAll('\u202C', 'U+202C'))
      await page.getByText(/^Bounce list · added · no such recipient · until/).waitFor()
      expect((await page.locator('mark').allTextContents()).join(' ')).toMatch(/User.*unknown/)
    })

    test('the page of a webhook endpoint and of a mail in the inbox show what the store has', async () => {
      const { page, context } = await open({ baseURL: urlOf(daemon) })
      await signInAs(context, daemon, 'viewer')
      await openPage(page, pathFor('/inbox/:id', known))
      await page.getByText('multipart/report', { exact: true }).waitFor()
      await page.getByText(/no such recipient · permanent · 406/).waitFor()
      await openPage(page, `/console/webhooks/1?account=${API_USER}`)
      expect(await page.locator('main h1').textContent()).toContain('script')
    })

    test('a viewer has no page of users and no buttons that change lists', async () => {
      const { page, context } = await open({ baseURL: urlOf(daemon) })
      await signInAs(context, daemon, 'viewer')
      await openPage(page, '/console/suppressions')
      expect(await page.getByRole('button', { name: 'Add' }).count()).toBe(0)
      expect(await page.getByRole('link', { name: 'Users' }).count()).toBe(0)
      await page.goto('/console/users')
      await page.getByText('Your role does not show this page.').waitFor()
      expect(await page.getByRole('table').count()).toBe(0)
    })
  })

  describe('a large store', () => {
    const count = Number(process.env['BOUNCED_TEST_DELIVERIES'] ?? 100_000)
    let daemon: Daemon
    beforeAll(async () => {
      const first = await startConsole()
      await first.api('POST', '/v1/messages', { from: 'news@example.com', subject: 'Hello', recipients: ['ann@example.org'] })
      await first.stop()
      copyDeliveries(join(first.data, 'bounced.db'), count)
      daemon = await startDaemon({ data: first.data, env: { BOUNCED_CONSOLE_ENABLED: 'true' } })
    })
    afterAll(() => daemon.stop())

    test('every page is shown', async () =>
      expect(await checkPages(daemon, { '/messages/:id': copiedEmailIds(count, 1)[0] ?? '' }, {})).toEqual([]))

    test('a list is paged forward and back', async () => {
      const { page, context } = await open({ baseURL: urlOf(daemon) })
      await signInAs(context, daemon, 'viewer')
      await openPage(page, '/console/messages')
      const first = await page.locator('tbody th').first().textContent()
      await page.getByRole('link', { name: 'Next' }).click()
      await page.waitForFunction((before) => document.querySelector('tbody th')?.textContent !== before, first)
      expect(new URL(page.url()).searchParams.has('after')).toBe(true)
      await page.getByRole('link', { name: 'Previous' }).click()
      await page.waitForFunction((before) => document.querySelector('tbody th')?.textContent === before, first)
      expect(new URL(page.url()).searchParams.has('after')).toBe(false)
    })
  })
})
