/**
 * application - the frame around every page: navigation, account, preferences, and what stands in the way of a page
 *
 * Nobody signed in: the sign-in. A session that ended: the sign-in over the page, so that what was typed stays. A new page takes the focus to its title
 * and is shown from its top, or where the reader was when he goes back to it; a changed query does neither.
 *
 * See also: app/navigation (the pages), pages/sign-in.
 */
import { effect, signal } from '@preact/signals'
import type { FunctionComponent } from 'preact'
import { useEffect, useErrorBoundary } from 'preact/hooks'
import { hasSessionEnded, isReachable } from '../api/client.ts'
import { EmptyState } from '../components/empty-state.ts'
import { html, type Child, type View } from '../components/html.ts'
import { Note, Notices } from '../components/note.ts'
import { PageHead } from '../components/page-head.ts'
import { SignInDialog, SignInPage } from '../pages/sign-in/sign-in-page.ts'
import { WelcomePage } from '../pages/sign-in/welcome-page.ts'
import { applicationTexts as t } from '../texts/application-texts.ts'
import { common } from '../texts/common-texts.ts'
import { accounts, chooseSomeAccount } from './account-choice.ts'
import { isVisible, PAGES, type PageEntry } from './navigation.ts'
import type { PageProps } from './page-props.ts'
import { chosenAccount, matchPath, pathTo, place } from './router.ts'
import { scrollToExpected } from './scroll-memory.ts'
import { isOperator, session } from './session.ts'
import { SideBar } from './side-bar.ts'
import { TopBar } from './top-bar.ts'

export function Application(): View {
  const { value } = session
  if (place.value.path === '/welcome') return html`<${WelcomePage} />`
  if (value === null)
    return isReachable.value ? null : html`<div class="alone"><main><${Note} tone="warn">${t('offline')}</${Note}></main></div>`
  if (!value.signedIn && !hasSessionEnded.value) return html`<${SignInPage} />`
  return html`<div class="frame">
    <a class="skip-link" href="#page">${t('skip')}</a>
    <${SideBar} />
    <div>
      <${TopBar} />
      <main id="page" class="page" tabindex="-1">
        <${CurrentPage} />
      </main>
    </div>
    ${isReachable.value ? null : html`<div class="offline"><${Note} tone="warn">${t('offline')}</${Note}></div>`}
    <${Notices} />
    ${hasSessionEnded.value ? html`<${SignInDialog} />` : null}
  </div>`
}

type FoundPage = { readonly page: PageEntry; readonly params: PageProps['params'] }

function findPage(path: string): FoundPage | null {
  for (const page of PAGES) {
    const params = matchPath(page.path, path)
    if (params !== null) return { page, params }
  }
  return null
}

function CurrentPage(): Child {
  const found = findPage(place.value.path)
  const needsAccount = found?.page.scope === 'account' && isOperator.value && chosenAccount.value === ''
  const known = accounts.value
  useEffect(() => {
    if (needsAccount && known !== null) chooseSomeAccount()
  }, [needsAccount, known])
  if (found === null) return html`<${NotFound} />`
  if (!isVisible(found.page)) return html`<${Note} tone="warn">${t('notAllowed')}</${Note}>`
  if (needsAccount)
    return known === null
      ? null
      : html`<${EmptyState} title=${common('requiresAccount')}><p>${common('requiresAccountHelp')}</p></${EmptyState}>`
  // Another account is another page: nothing of the one before stays.
  return html`<${LoadedPage} key=${`${place.value.path} ${chosenAccount.value}`} page=${found.page} params=${found.params} />`
}

const NotFound = (): View =>
  html`<${PageHead} title=${t('notFoundTitle')} lead=${t('notFoundLead')}><a class="button" href=${pathTo('/')}>${t('toOverview')}</a></${PageHead}>`

type Loaded = { readonly component: FunctionComponent<PageProps> } | { readonly failed: true }

/** Loaded pages by their pattern; a page is loaded once. */
const loadedPages = signal<Readonly<Record<string, Loaded>>>({})

function loadPage({ path, load }: PageEntry): void {
  const keep = (loaded: Loaded): void => void (loadedPages.value = { ...loadedPages.value, [path]: loaded })
  load()
    .then((component) => keep({ component }))
    .catch(() => keep({ failed: true }))
}

function LoadedPage({ page, params }: FoundPage): View {
  const loaded = loadedPages.value[page.path]
  const [error] = useErrorBoundary((each) => console.error(each))
  useEffect(() => {
    if (loaded === undefined) loadPage(page)
    else focusTitle()
  }, [loaded])
  if (loaded === undefined) return null
  if (error !== undefined || 'failed' in loaded) return html`<${PageFailed} />`
  return html`<${loaded.component} params=${params} />`
}

const PageFailed = (): View =>
  html`<${Note} tone="bad"><span>${t('pageFailed')}</span>
    <span><button type="button" class="button small" onClick=${() => location.reload()}>${t('reload')}</button></span>
  </${Note}>`

let isFirstPage = true

/** A reader of a screen reader hears the new page; the first one is announced by the browser. */
function focusTitle(): void {
  const title = document.querySelector<HTMLElement>('main h1')
  if (title !== null) document.title = `${title.textContent} · bounced`
  if (isFirstPage) {
    isFirstPage = false
    return
  }
  scrollToExpected()
  title?.focus({ preventScroll: true })
}

/** Asks for the session again while the daemon does not answer, so that the page is live when it is back. */
export function followReachability(load: () => Promise<void>): void {
  effect(() => {
    if (isReachable.value) return
    const timer = setInterval(() => load().catch(() => undefined), 2_000)
    return () => clearInterval(timer)
  })
}
