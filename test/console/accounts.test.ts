/** accounts.test - the dialogs of accounts in a browser: a new account, a new key, a changed setting, and what a viewer cannot do */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Daemon } from '../support/daemon.ts'
import { findAccessibilityProblems, hasBrowser, useBrowser } from '../support/browser-page.ts'
import { signInAs, startConsole, urlOf } from './console-daemon.ts'

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  let daemon: Daemon
  beforeAll(async () => {
    daemon = await startConsole()
  })
  afterAll(() => daemon.stop())

  /** The status of a request that an account's key signs. */
  const statusWith = async (apiUser: string, apiKey: string): Promise<number> => {
    const authorization = `Basic ${Buffer.from(`${apiUser}:${apiKey}`).toString('base64')}`
    return (await fetch(`${urlOf(daemon)}/v1/account/settings`, { headers: { authorization } })).status
  }

  test('an administrator adds an account, makes a new key, and changes a setting', async () => {
    const { page, context, problems } = await open({ baseURL: urlOf(daemon), viewport: { width: 1280, height: 900 } })
    await signInAs(context, daemon, 'admin')
    await page.goto('/console/accounts')
    await page.getByRole('button', { name: 'Add an account' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('API user').fill('no spaces please')
    await dialog.getByRole('button', { name: 'Add', exact: true }).click()
    await dialog.getByRole('alert').waitFor()
    await dialog.getByLabel('API user').fill('shop')
    await dialog.getByRole('button', { name: 'Add', exact: true }).click()
    const first = await dialog.getByRole('textbox').and(page.getByLabel('The key of shop')).inputValue()
    expect(await findAccessibilityProblems(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Close', exact: true }).last().click()
    expect(await statusWith('shop', first)).toBe(200)

    const row = page.getByRole('row').filter({ hasText: 'shop' })
    await row.getByRole('button', { name: /^Actions/ }).click()
    await page.getByRole('button', { name: 'New key for shop' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'New key for shop' }).click()
    await page.getByText('The old key is valid until').waitFor()
    const second = await dialog.getByRole('textbox').inputValue()
    expect(second).not.toBe(first)
    expect([await statusWith('shop', first), await statusWith('shop', second)]).toEqual([200, 200])
    await page.getByRole('dialog').getByRole('button', { name: 'Close', exact: true }).last().click()

    await row.getByRole('link', { name: 'shop' }).click()
    await page.getByRole('heading', { level: 1, name: 'Settings of shop' }).waitFor()
    await page.getByLabel('Part of the name').fill('zone')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByRole('button', { name: 'Change zone', exact: true }).click()
    await page.getByLabel('New value').fill('Nowhere/Land')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('dialog').getByRole('alert').waitFor()
    await page.getByLabel('New value').fill('Europe/Berlin')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.getByRole('cell', { name: 'Europe/Berlin' }).waitFor()
    // The browser logs the two requests that are refused on purpose.
    expect(problems().filter((line) => !/status of 400/.test(line))).toEqual([])
  })

  test('a viewer sees accounts and settings, and changes neither', async () => {
    const { page, context } = await open({ baseURL: urlOf(daemon), viewport: { width: 1280, height: 900 } })
    await signInAs(context, daemon, 'viewer')
    await page.goto('/console/accounts')
    await page.getByRole('row').nth(1).waitFor()
    expect(await page.getByRole('button', { name: 'Add an account' }).count()).toBe(0)
    expect(await page.getByRole('button', { name: /^Actions/ }).count()).toBe(0)
    await page.getByRole('row').nth(1).getByRole('link').first().click()
    await page.getByRole('heading', { level: 1, name: /^Settings of/ }).waitFor()
    await page.getByRole('row').nth(1).waitFor()
    expect(await page.getByRole('button', { name: /^Change/ }).count()).toBe(0)
  })
})
