/**
 * smoke.test - the pages of a real daemon load in a real browser without an error
 *
 * The only test in a browser that `npm test` runs; `npm run test:slow` runs all of test/console.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { findAccessibilityProblems, hasBrowser, useBrowser } from '../support/browser-page.ts'

describe.skipIf(!hasBrowser)('in a browser', () => {
  const open = useBrowser()
  let daemon: Daemon
  beforeAll(async () => {
    daemon = await startDaemon({ env: { BOUNCED_CONSOLE_ENABLED: 'true' } })
  })
  afterAll(() => daemon.stop())

  test('a browser is led from / to the console, which loads under its content security policy', async () => {
    const { page, problems } = await open({ baseURL: `http://127.0.0.1:${daemon.httpPort}` })
    await page.goto('/')
    await page.getByRole('heading', { level: 1 }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/console/')
    expect(problems()).toEqual([])
    expect(await findAccessibilityProblems(page)).toEqual([])
  })

  test('/docs shows the operations of the API under its content security policy', async () => {
    const { page, problems } = await open({ baseURL: `http://127.0.0.1:${daemon.httpPort}` })
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
