/**
 * side-bar - the navigation; on a narrow screen a drawer that the menu button opens
 *
 * See also: app/navigation, app/top-bar.
 */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { Brand } from '../components/brand.ts'
import { html, type View } from '../components/html.ts'
import { Icon } from '../components/icon.ts'
import { applicationTexts as t } from '../texts/application-texts.ts'
import { visibleSections, type PageEntry } from './navigation.ts'
import { pathTo, place } from './router.ts'

/** Whether the drawer is open. */
export const isDrawerOpen = signal(false)

export function SideBar(): View {
  const { path } = place.value
  useEffect(() => {
    isDrawerOpen.value = false
  }, [path])
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') isDrawerOpen.value = false
    }
    const onClick = (event: MouseEvent): void => {
      if (event.target instanceof Element && event.target.closest('.side, .menu-button') === null) isDrawerOpen.value = false
    }
    document.addEventListener('keydown', onKey)
    document.addEventListener('click', onClick)
    return () => {
      document.removeEventListener('keydown', onKey)
      document.removeEventListener('click', onClick)
    }
  }, [])
  return html`<div id="side-bar" class=${`side ${isDrawerOpen.value ? 'open' : ''}`}>
    <${Brand} href=${pathTo('/')} />
    <nav aria-label=${t('navigation')}>
      ${visibleSections().map(
        ({ title, entries }) =>
          html`<section key=${title}>
            <h2 class="group-title">${t(title)}</h2>
            <ul>
              ${entries.map((entry) => html`<${Entry} key=${entry.path} page=${entry} path=${path} />`)}
            </ul>
          </section>`,
      )}
    </nav>
  </div>`
}

function Entry({ page, path }: { readonly page: PageEntry; readonly path: string }): View {
  if (page.entry === null) return null
  const isCurrent = path === page.path || (page.path !== '/' && path.startsWith(`${page.path}/`))
  return html`<li>
    <a href=${pathTo(page.path)} aria-current=${isCurrent ? 'page' : undefined}><${Icon} name=${page.entry} />${t(page.entry)}</a>
  </li>`
}
