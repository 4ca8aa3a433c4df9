/**
 * browser-page - a page of the run's one browser, and what it did wrong
 *
 *     describe.skipIf(!hasBrowser)('…', () => {
 *       const open = useBrowser()
 *       test('…', async () => {
 *         const { page, problems } = await open({ baseURL })
 *         await page.goto('/console')
 *         expect(problems()).toEqual([])
 *       })
 *     })
 *
 * Each page has a context of its own: no cookie, cache or storage of another test. All are closed at the end of the file.
 * See also: test/support/browser.ts.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, inject } from 'vitest'

const endpoint = inject('browser')

/** False: the run has no browser. The set-up has printed the reason. */
export const hasBrowser = endpoint !== null

export type OpenPage = {
  readonly page: Page
  readonly context: BrowserContext
  /** Uncaught errors, `console.error` and refusals of the content security policy so far, as lines. */
  readonly problems: () => readonly string[]
}

export type Opener = (options?: BrowserContextOptions) => Promise<OpenPage>

/** Connects at the first page and closes everything after the file's last test. */
export function useBrowser(): Opener {
  let connected: Promise<Browser> | null = null
  afterAll(async () => (await connected)?.close())
  return async (options = {}) => {
    connected ??= chromium.connect(endpoint ?? '')
    // Without a locale Chromium reports `en-US@posix`, which Intl refuses.
    const context = await (await connected).newContext({ locale: 'en-US', timezoneId: 'UTC', ...options })
    const page = await context.newPage()
    const lines: string[] = []
    page.on('pageerror', (error) => lines.push(error.stack ?? error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') lines.push(`${message.text()} (${message.location().url})`)
    })
    return { page, context, problems: () => lines }
  }
}

const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** Violations of WCAG 2.2 level A and AA, one line each with the element. A policy against inline scripts does not stop the check. */
export async function findAccessibilityProblems(page: Page): Promise<readonly string[]> {
  await page.evaluate(readFileSync(axeFile, 'utf8'))
  return page.evaluate(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    const { violations } = await Reflect.get(globalThis, 'axe').run({ runOnly: { type: 'tag', values: tags } })
    return violations.flatMap((each: { id: string; help: string; nodes: { html: string }[] }) =>
      each.nodes.map(({ html }) => `${each.id}: ${each.help}: ${html}`),
    )
  })
}
