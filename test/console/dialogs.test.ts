/** dialogs.test - dialogs by keyboard: where the focus goes, and where the page says what the daemon refuses */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import type { Daemon } from '../support/daemon.ts'
import { findAccessibilityProblems, hasBrowser, useBrowser } from '../support/browser-page.ts'
import { signInAs, startConsole, urlOf } from './console-daemon.ts'

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  let daemon: Daemon
  beforeAll(async () => {
    daemon = await startConsole()
    await daemon.api('POST', '/v1/suppressions/block/add', { addresses: ['eve@example.org'], note: 'asked by phone' })
    for (const scope of ['tester', 'other-program'])
      await daemon.api('PUT', `/v1/suppressions/unsubscribe/ann%40example.org?scope=${scope}`, { note: `left ${scope}` })
  })
  afterAll(() => daemon.stop())

  const openAsAdmin = async (path: string): Promise<Page> => {
    const { page, context } = await open({ baseURL: urlOf(daemon), viewport: { width: 1280, height: 900 } })
    await signInAs(context, daemon, 'admin')
    await page.goto(path)
    await page.locator('main h1').waitFor()
    return page
  }

  /** What has the focus, by its name or text. */
  const focusOf = (page: Page): Promise<string | undefined> =>
    page.evaluate(() => (document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent)?.trim())

  test.each(['Escape', 'Cancel'])('the focus goes back to the button that opened a dialog: %s', async (how) => {
    const page = await openAsAdmin('/console/users')
    await page.getByRole('button', { name: 'Add a user' }).press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    if (how === 'Escape') await page.keyboard.press('Escape')
    else await dialog.getByRole('button', { name: how }).press('Enter')
    await dialog.waitFor({ state: 'detached' })
    expect(await focusOf(page)).toBe('Add a user')
  })

  test('the focus goes back to the menu that opened a dialog, or to the table once its row is gone', async () => {
    const page = await openAsAdmin('/console/suppressions?list=block')
    await page.getByRole('button', { name: 'Actions', exact: true }).press('Enter')
    await page.getByRole('button', { name: 'Import CSV' }).press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(await focusOf(page)).toBe('Actions')
    await page.getByRole('button', { name: 'Remove: eve@example.org' }).press('Enter')
    await dialog.getByRole('button', { name: 'Remove' }).press('Enter')
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('This list is empty').waitFor()
    await expect.poll(() => page.evaluate(() => document.activeElement?.className)).toBe('table-box')
  })

  test('what the daemon refuses stands at the field, once', async () => {
    const page = await openAsAdmin('/console/users')
    await page.getByRole('button', { name: 'Add a user' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('x'.repeat(300))
    await dialog.getByRole('button', { name: 'Add', exact: true }).click()
    await dialog.getByRole('alert').waitFor()
    const name = dialog.getByLabel('Name')
    expect(await name.getAttribute('aria-invalid')).toBe('true')
    const described = await name.evaluate((element) => document.getElementById(element.getAttribute('aria-describedby') ?? '')?.textContent)
    expect(described).toMatch(/128/)
    expect((await dialog.textContent())?.match(/128/g)).toHaveLength(1)
    expect(await findAccessibilityProblems(page)).toEqual([])
  })

  test('an entry of one API user ends alone, and the look-up says who changed it and why', async () => {
    const page = await openAsAdmin('/console/suppressions?list=unsubscribe&address=ann%40example.org')
    const found = page.getByRole('table', { name: 'ann@example.org on the lists' })
    await found.getByText('other-program', { exact: true }).waitFor()
    await page.getByText(/added · tester · left tester/).waitFor()
    await found
      .getByRole('row')
      .filter({ hasText: 'other-program' })
      .getByRole('button', { name: /^Remove/ })
      .click()
    await page.getByRole('dialog').getByLabel('Note').fill('came back')
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByText(/removed · other-program · .*by user:the-admin.* · Note: came back/).waitFor()
    const { body } = await daemon.api('GET', '/v1/suppressions?address=ann%40example.org')
    const { entries } = body as { entries: { scope: string; removedAt: string | null }[] }
    expect(entries.filter(({ removedAt }) => removedAt === null).map(({ scope }) => scope)).toEqual(['tester'])
  })
})
