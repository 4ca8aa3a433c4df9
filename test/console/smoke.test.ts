/**
 * smoke.test - the pages of a real daemon load in a real browser without an error, from the link of the first start on
 *
 * The only test in a browser that `npm test` runs; `npm run test:slow` runs all of test/console.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { findAccessibilityProblems, hasBrowser, useBrowser } from '../support/browser-page.ts'

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  let daemon: Daemon
  let baseURL: string
  beforeAll(async () => {
    daemon = await startDaemon({ env: { BOUNCED_CONSOLE_ENABLED: 'true' } })
    baseURL = `http://127.0.0.1:${daemon.httpPort}`
  })
  afterAll(() => daemon.stop())

  test('the link of the first start creates an administrator, who is signed in and signs out', async () => {
    const { page, problems } = await open({ baseURL })
    await page.goto('/')
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/console/')
    expect(await findAccessibilityProblems(page)).toEqual([])

    const token = /welcome#([\w-]+)/.exec(daemon.output())?.[1] ?? ''
    await page.goto(`/console/welcome#${token}`)
    await page.getByLabel('Name', { exact: true }).fill('ann')
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery')
    await page.getByLabel('Password, again').fill('correct horse battery')
    expect(page.url()).not.toContain(token)
    await page.getByRole('button', { name: 'Create and sign in' }).click()
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    await page.getByRole('heading', { level: 1 }).waitFor()
    expect(await findAccessibilityProblems(page)).toEqual([])

    await page.locator('summary', { hasText: 'ann' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
    expect(problems()).toEqual([])
  })

  test('the first load transfers at most 150 KB', async () => {
    const { page, context } = await open({ baseURL })
    const network = await context.newCDPSession(page)
    await network.send('Network.enable')
    let transferred = 0
    network.on('Network.loadingFinished', ({ encodedDataLength }) => (transferred += encodedDataLength))
    await page.goto('/console/')
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
    await page.getByLabel('Name', { exact: true }).fill('ann')
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    await page.locator('main h1').waitFor()
    await page.waitForLoadState('load')
    expect(transferred).toBeGreaterThan(10_000)
    expect(transferred).toBeLessThanOrEqual(150_000)
  })

  test('/docs shows the operations of the API under its content security policy', async () => {
    const { page, problems } = await open({ baseURL })
    await page.goto('/docs')
    await page.getByText('/v1/messages', { exact: true }).first().waitFor()
    expect(problems()).toEqual([])
  })

  test('the accessibility check finds an image without a text alternative', async () => {
    const { page } = await open()
    await page.setContent('<!doctype html><html lang="en"><title>One image</title><main><img src="data:,"></main></html>')
    expect(await findAccessibilityProblems(page)).toEqual([expect.stringMatching(/^image-alt: /)])
  })
})
