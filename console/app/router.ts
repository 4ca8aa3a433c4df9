/**
 * router - the URL as the state of the page: where one is, and what a list shows
 *
 * Every plain link to `/console/…` is followed without a reload, so a page writes `<a href=${pathTo('/users')}>`. The state of a list (filters,
 * sorting, page) is in the query, so that it can be bookmarked, shared and gone back to.
 *
 * See also: app/page-table, components/data-table.
 */
import { computed, signal } from '@preact/signals'
import { expectScroll, rememberScroll } from './scroll-memory.ts'

const ROOT = '/console'

/** `path` is as in the URL, so that an encoded slash stays part of a name. */
type Place = { readonly path: string; readonly query: URLSearchParams }

const readPlace = (): Place => ({
  path: location.pathname.slice(ROOT.length).replace(/\/+$/, '') || '/',
  query: new URLSearchParams(location.search),
})

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Where the reader is. */
export const place = signal<Place>(readPlace())

/** The account that the operator has chosen; '' is all accounts. Stays while one moves from page to page. */
export const chosenAccount = computed(() => place.value.query.get('account') ?? '')

type QueryValues = Readonly<Record<string, string | number | boolean | null | undefined>>

/** The URL of a page. Empty values are left out, and the chosen account is kept. */
export function pathTo(path: string, query: QueryValues = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries({ account: chosenAccount.value, ...query }))
    if (value !== null && value !== undefined && value !== '') parameters.set(name, String(value))
  const text = parameters.toString()
  return `${ROOT}${path}${text === '' ? '' : `?${text}`}`
}

/** Goes to a URL of the console. `replace`: without a step back in the history. */
export function navigate(url: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (!replace) rememberScroll()
  history[replace ? 'replaceState' : 'pushState'](null, '', url)
  place.value = readPlace()
}

/** The URL of this page with some values of its query changed. Changing anything but the page of a list goes back to its first page. */
export function withQuery(changes: QueryValues): string {
  const { path, query } = place.value
  const kept = Object.fromEntries([...query].filter(([name]) => name !== 'after' || 'after' in changes))
  return pathTo(path, { ...kept, ...changes })
}

/** A value of the query, or the default. */
export const queryValue = (name: string, fallback = ''): string => place.value.query.get(name) ?? fallback

/** Follows links and the history from now on. */
export function startRouter(): void {
  history.scrollRestoration = 'manual'
  addEventListener('popstate', (event) => {
    expectScroll(event.state)
    place.value = readPlace()
  })
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (link === null || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return
    if (link.origin !== location.origin || link.target !== '' || link.hasAttribute('download')) return
    if (link.pathname !== ROOT && !link.pathname.startsWith(`${ROOT}/`)) return
    event.preventDefault()
    if (link.hash !== '' && link.pathname === location.pathname) return document.querySelector<HTMLElement>(link.hash)?.focus()
    navigate(link.href)
  })
}

/**
 * Matches a path with a pattern. Null: it does not match.
 *
 *     matchPath('/messages/:id', '/messages/a') → { id: 'a' }
 */
export function matchPath(pattern: string, path: string): Readonly<Record<string, string>> | null {
  const [wanted, given] = [pattern.split('/'), path.split('/')]
  if (wanted.length !== given.length) return null
  const found: Record<string, string> = {}
  for (const [at, part] of wanted.entries()) {
    const value = decodePart(given[at] ?? '')
    if (part.startsWith(':') && value !== '') found[part.slice(1)] = value
    else if (part !== value) return null
  }
  return found
}
