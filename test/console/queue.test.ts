/** queue.test - the queue in a browser: lanes fit the screen, and the mail of one label is paused, recovered and deleted */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Page } from 'playwright-core'
import { API_KEY, API_USER, type Daemon } from '../support/daemon.ts'
import { findAccessibilityProblems, hasBrowser, useBrowser } from '../support/browser-page.ts'
import { HOSTILE, signInAs, startConsole, urlOf } from './console-daemon.ts'

const DOMAIN = `${'long-label.'.repeat(10)}example.org`

/** A node takes its lease and stores its lanes in its own time. */
const WAIT = { timeout: 60_000, interval: 200 }

type Lane = { readonly domain: string; readonly waiting: number; readonly pausedLabels: readonly { readonly label: number }[] }

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  let daemon: Daemon

  const readLane = async (domain: string): Promise<Lane | undefined> =>
    ((await daemon.api('GET', '/v1/queue')).body as { lanes: Lane[] }).lanes.find((lane) => lane.domain === domain)

  /** Queues two mails of a label for a domain. Nothing leaves: the account is paused. */
  const queueTwo = async (labelId: number, domain: string): Promise<void> => {
    const xsmtpapi = JSON.stringify({ to: [1, 2].map((n) => `reader${n}@${domain}`) })
    const mail = { from: 'news@news.example.com', subject: 'Hello', plain: 'Hello', labelId: String(labelId), xsmtpapi }
    const body = new URLSearchParams({ apiUser: API_USER, apiKey: API_KEY, ...mail })
    const response = await fetch(`${urlOf(daemon)}/api/mail/send`, { method: 'POST', body })
    if (!response.ok) throw new Error(await response.text())
  }

  beforeAll(async () => {
    daemon = await startConsole({ BOUNCED_DELIVERY_MODE: 'simulated' })
    // Refused until a node delivers.
    await vi.waitUntil(async () => (await daemon.api('POST', '/v1/queue/pause', { domain: null })).status < 300, WAIT)
    for (const name of ['October sale', HOSTILE.slice(0, 100)]) await daemon.api('POST', '/v1/account/labels', { name })
    for (const [label, domain] of [
      [1, 'example.org'],
      [2, 'example.org'],
      [2, DOMAIN],
    ] as const)
      await queueTwo(label, domain)
    await vi.waitUntil(async () => (await readLane('example.org'))?.waiting === 4, WAIT)
    await vi.waitUntil(async () => (await readLane(DOMAIN))?.waiting === 2, WAIT)
  })
  afterAll(() => daemon.stop())

  const openQueue = async (path: string, options = {}): Promise<{ page: Page; problems: () => readonly string[] }> => {
    const { page, context, problems } = await open({ baseURL: urlOf(daemon), viewport: { width: 1280, height: 900 }, ...options })
    await signInAs(context, daemon, 'admin')
    await page.goto(path)
    await page.getByRole('row').filter({ hasText: 'example.org' }).first().waitFor()
    return { page, problems }
  }

  /** Opens the dialog, fills it in, and sends it. */
  const commandLabel = async (page: Page, label: string, order: string): Promise<void> => {
    await page.getByRole('button', { name: 'Actions', exact: true }).click()
    await page.getByRole('button', { name: 'Mail of one label' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Label', { exact: true }).selectOption({ label })
    await dialog.getByLabel('Recipient domain').fill('example.org')
    await dialog.getByLabel('What to do').selectOption({ label: order })
    await dialog.getByRole('button', { name: order }).click()
    await dialog.waitFor({ state: 'detached' })
  }

  test.each([
    ['English, all accounts', {}],
    ['Chinese', { locale: 'zh-CN' }],
    ['a tablet', { viewport: { width: 800, height: 1000 } }],
    ['a phone', { viewport: { width: 360, height: 740 } }],
  ])('each button of a lane is on the screen: %s', async (_name, options) => {
    const { page } = await openQueue('/console/queue', options)
    const width = page.viewportSize()?.width ?? 0
    const buttons = page.locator('td.actions button[popovertarget]')
    for (const button of await buttons.all()) {
      const box = await button.boundingBox()
      expect((box?.x ?? width) + (box?.width ?? 0)).toBeLessThanOrEqual(width)
    }
    expect(await buttons.count()).toBe(2)
    expect(await findAccessibilityProblems(page)).toEqual([])
  })

  test('the mail of one label is paused, recovered and deleted, and other mail stays', async () => {
    const { page, problems } = await openQueue(`/console/queue?account=${API_USER}`)
    await page.getByRole('button', { name: 'Actions', exact: true }).click()
    await page.getByRole('button', { name: 'Mail of one label' }).click()
    await page.getByRole('dialog').getByLabel('Label', { exact: true }).getByText('October sale').waitFor({ state: 'attached' })
    expect(await findAccessibilityProblems(page)).toEqual([])
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()

    await commandLabel(page, 'October sale', 'Pause the label')
    const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'example.org', exact: true }) })
    await row.getByText('October sale', { exact: true }).waitFor()
    expect((await readLane('example.org'))?.pausedLabels).toMatchObject([{ label: 1, waiting: 2 }])
    expect((await readLane(DOMAIN))?.pausedLabels).toEqual([])

    await row.getByRole('button', { name: 'Actions: example.org' }).click()
    await page.getByRole('button', { name: 'Recover the label October sale' }).click()
    await expect.poll(async () => (await readLane('example.org'))?.pausedLabels).toEqual([])

    await commandLabel(page, 'October sale', 'Delete its waiting mail')
    await expect.poll(async () => (await readLane('example.org'))?.waiting).toBe(2)
    expect((await readLane(DOMAIN))?.waiting).toBe(2)
    expect(problems()).toEqual([])
  })
})
