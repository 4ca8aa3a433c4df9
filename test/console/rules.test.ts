/** rules.test - the workbench for rules in a browser: from a reply that nothing knows to a saved rule, applied to the past and taken back */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { findAccessibilityProblems, hasBrowser, useBrowser } from '../support/browser-page.ts'

const FIXTURE = join(import.meta.dirname, '../../fixtures/mails/google-not-exist.eml')
const SHOTS = process.env['BOUNCED_SCREENSHOTS']
const HOSTILE = '<img src=x onerror=alert(1)>\u202e"quoted"'

describe.skipIf(!hasBrowser)('the workbench', () => {
  const open = useBrowser()
  const folder = mkdtempSync(join(tmpdir(), 'bounced-rules-'))
  let daemon: Daemon
  let baseURL: string
  beforeAll(async () => {
    daemon = await startDaemon({ env: { BOUNCED_CONSOLE_ENABLED: 'true', BOUNCED_RULES_FOLDER: folder } })
    baseURL = `http://127.0.0.1:${daemon.httpPort}`
    const recipients = Array.from({ length: 12 }, (_, n) => `joe${n}@example.org`)
    const made = await daemon.api('POST', '/v1/messages', { from: 'news@example.com', recipients })
    // Checked cast: the answer of the route above.
    const ids = (made.body as { recipients: readonly { emailId: string }[] }).recipients.map(({ emailId }) => emailId)
    const texts = [...Array(8).keys()].map((n) => `550 5.0.0 the zorgle ${n} of joe${n}@example.org is gone ${n === 0 ? HOSTILE : ''}`)
    const replies = [...texts, '550 5.1.1 No such user here', '552 5.2.2 mailbox full', '550 gnarf', '550 5.7.1 spam message rejected']
    const attempts = ids.map((emailId, n) => ({
      emailId,
      code: Number((replies[n] ?? '').slice(0, 3)),
      text: replies[n] ?? '',
      final: true,
    }))
    const statuses = new Set<number>()
    for (const attempt of attempts) statuses.add((await daemon.api('POST', '/v1/attempts', attempt)).status)
    if (statuses.size !== 1 || !statuses.has(200)) throw new Error(`the attempts were refused: ${[...statuses].join(', ')}`)
  })
  afterAll(() => daemon.stop())

  const shoot = async (page: Page, name: string): Promise<void> => {
    if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true })
  }
  /** On a wide and on a narrow screen: accessible, and nothing is wider than the screen. */
  const inspect = async (page: Page, name: string): Promise<void> => {
    await shoot(page, name)
    expect(await findAccessibilityProblems(page)).toEqual([])
    const size = page.viewportSize()
    await page.setViewportSize({ width: 360, height: 740 })
    await shoot(page, `${name}-narrow`)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
    expect(await findAccessibilityProblems(page)).toEqual([])
    if (size !== null) await page.setViewportSize(size)
  }

  test('a person tries a reply, drafts a rule, sees the past, saves, applies and undoes', { timeout: 240_000 }, async () => {
    const { page, problems } = await open({ baseURL, viewport: { width: 1280, height: 860 } })
    const token = /welcome#([\w-]+)/.exec(daemon.output())?.[1] ?? ''
    await page.goto(`/console/welcome#${token}`)
    await page.getByLabel('Name', { exact: true }).fill('ann')
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery')
    await page.getByLabel('Password, again').fill('correct horse battery')
    await page.getByRole('button', { name: 'Create and sign in' }).click()
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()

    await page.goto('/console/rules')
    await page.getByLabel('A reply, or a whole mail with its header').fill('550 5.1.1 No such user here')
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.locator('mark', { hasText: 'No such user' }).waitFor()
    await inspect(page, 'explain-reply')
    await page.getByLabel('A reply, or a whole mail with its header').fill(readFileSync(FIXTURE, 'latin1'))
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.getByRole('heading', { name: 'Source' }).waitFor()
    await inspect(page, 'explain-mail')

    await page.goto('/console/rules?view=order')
    await page.getByRole('row').nth(50).waitFor()
    await page.getByLabel('Reason').selectOption('not-exist')
    await inspect(page, 'order')
    const id = (await page.getByRole('row').nth(7).getByRole('code').first().textContent()) ?? ''
    await page.goto(`/console/rules?rule=${encodeURIComponent(id)}`)
    await page.getByRole('row').filter({ hasText: id }).waitFor()
    expect(await page.getByRole('row').count()).toBe(2)
    await page.getByRole('link', { name: 'Clear' }).click()
    await page.getByRole('row').nth(50).waitFor()

    await page.goto('/console/rules?view=other')
    await page.getByText('zorgle').first().waitFor()
    await page.getByText('9 of 12 verdicts').waitFor()
    await inspect(page, 'other')
    await page.goto('/console/rules?view=files')
    await page.getByText('There are no files of your own yet').waitFor()
    await inspect(page, 'files-empty')
    await page.goto('/console/rules/reclassifications')
    await page.getByText('No reclassification yet').waitFor()
    await inspect(page, 'reclassifications-empty')

    await page.goto('/console/rules?view=other')
    await page.getByRole('row', { name: /gnarf/ }).getByRole('link', { name: 'Make a rule of this' }).click()
    const text = page.getByLabel('Rules in TOML')
    await text.waitFor()
    const proposed = await text.inputValue()
    expect(proposed).toContain('gnarf')
    await text.fill(
      proposed
        .replace('says = ["gnarf"]', 'says = ["the zorgle"]')
        .replace(/hits = .*/, 'hits = ["550 5.0.0 the zorgle 3 is gone"]')
        .replace(/misses = .*/, 'misses = ["550 5.7.1 spam message rejected"]')
        .replace('reason = "other"', 'reason = "not-exist"'),
    )
    await page.getByRole('button', { name: 'Check' }).click()
    await page.getByText('It loads', { exact: true }).waitFor()
    await inspect(page, 'draft-checked')
    await page.getByRole('button', { name: 'What would change in the past' }).click()
    await page.getByText('waits for you').waitFor()
    await inspect(page, 'reclassification-checked')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByLabel('The bounce lists').selectOption('add')
    await inspect(page, 'apply')
    await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click()
    await page.getByText('applied', { exact: true }).waitFor()
    await page.getByText('8 entries made').waitFor()
    await inspect(page, 'reclassification-applied')
    const list = await daemon.api('GET', '/v1/suppressions/bounce')
    expect(JSON.stringify(list.body)).toContain('joe3@example.org')
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('waits for you').waitFor()
    expect(await page.getByRole('link', { name: 'undo' }).count()).toBe(1)
    await page.goto('/console/rules/reclassifications')
    await page.getByRole('row').nth(2).waitFor()
    await inspect(page, 'reclassifications')
    expect(problems()).toEqual([])
  })

  test('a file that does not load is not saved; one that does is in force, changes, and is removed', { timeout: 240_000 }, async () => {
    const { page } = await open({ baseURL, viewport: { width: 1280, height: 860 } })
    await page.goto('/console/rules/draft')
    await page.getByLabel('Name', { exact: true }).fill('ann')
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    const text = page.getByLabel('Rules in TOML')
    await text.waitFor()
    await text.fill('provider = ')
    await page.getByRole('button', { name: 'Save and put in force' }).click()
    await page.getByRole('alert').waitFor()
    await inspect(page, 'draft-refused')
    const rule = (words: string): string =>
      `provider = "common"\n[[rule]]\nid = "own-${words}"\nreason = "spam"\nsays = ["${words} of doom"]\nhits = ["550 ${words} of doom"]\nmisses = ["550 fine"]\n`
    await text.fill(rule('zorgle'))
    await page.getByRole('button', { name: 'Save and put in force' }).click()
    await page.getByRole('button', { name: 'Remove the file' }).waitFor()
    expect(readFileSync(join(folder, 'own.toml'), 'utf8')).toBe(rule('zorgle'))
    await page.getByLabel('Rules in TOML').fill(rule('gnarf'))
    await page.getByRole('button', { name: 'Save and put in force' }).click()
    await page.getByRole('heading', { name: 'Earlier versions' }).waitFor()
    await inspect(page, 'draft-saved')
    await page.getByRole('button', { name: 'Show this text' }).click()
    await expect.poll(() => page.getByLabel('Rules in TOML').inputValue()).toBe(rule('zorgle'))
    await page.getByRole('button', { name: 'Remove the file' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove the file' }).click()
    await page.getByText('There are no files of your own yet').waitFor()
  })

  test('in Chinese and in the dark', async () => {
    const { page, problems } = await open({ baseURL, locale: 'zh-CN', colorScheme: 'dark', viewport: { width: 1280, height: 860 } })
    await page.goto('/console/rules?view=other')
    await page.locator('input[autocomplete=username]').fill('ann')
    await page.locator('input[type=password]').fill('correct horse battery')
    await page.locator('form button.main').click()
    await page.getByText('gnarf').first().waitFor()
    await inspect(page, 'other-zh')
    await page.goto('/console/rules/reclassifications')
    await page.getByRole('row').nth(2).waitFor()
    await inspect(page, 'reclassifications-zh')
    expect(problems()).toEqual([])
  })
})
