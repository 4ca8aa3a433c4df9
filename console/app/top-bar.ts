/**
 * top-bar - the account, whether events come, and the menu of the reader: preferences and sign-out
 *
 * See also: app/preferences, app/account-choice, api/event-stream.
 */
import { useEffect, useRef } from 'preact/hooks'
import { streamState } from '../api/event-stream.ts'
import { html, type View } from '../components/html.ts'
import { Icon } from '../components/icon.ts'
import { notify } from '../components/note.ts'
import { PreferenceFields } from '../components/preference-fields.ts'
import { toProblem } from '../api/resource.ts'
import { applicationTexts as t } from '../texts/application-texts.ts'
import { accounts } from './account-choice.ts'
import { PAGES } from './navigation.ts'
import { chosenAccount, matchPath, navigate, pathTo, place } from './router.ts'
import { isOperator, session, signOut } from './session.ts'
import { isDrawerOpen } from './side-bar.ts'

export const TopBar = (): View =>
  html`<header class="top-bar">
    <button
      type="button"
      class="button icon-only menu-button"
      aria-label=${t('menu')}
      aria-controls="side-bar"
      aria-expanded=${isDrawerOpen.value}
      onClick=${() => (isDrawerOpen.value = !isDrawerOpen.value)}
    >
      <${Icon} name="menu" />
    </button>
    <${AccountChoice} />
    <span class="space"></span>
    <${LiveSign} />
    <${ReaderMenu} />
  </header>`

function AccountChoice(): View {
  const { path } = place.value
  const scope = PAGES.find((page) => matchPath(page.path, path) !== null)?.scope ?? 'own'
  const known = accounts.value ?? []
  if (!isOperator.value || (scope !== 'all' && scope !== 'account') || known.length === 0) return null
  const onChange = (event: Event & { currentTarget: HTMLSelectElement }): void =>
    // A list of another account begins at its first page; what belongs to one row is left.
    navigate(pathTo(path.split('/').slice(0, 2).join('/'), { account: event.currentTarget.value }))
  const chosen = chosenAccount.value
  return html`<label
    ><span class="hidden-text">${t('account')}</span>
    <select value=${chosen} onChange=${onChange}>
      ${scope === 'all' ? html`<option value="" selected=${chosen === ''}>${t('allAccounts')}</option>` : null}
      ${known.map(({ name }) => html`<option key=${name} value=${name} selected=${chosen === name}>${name}</option>`)}
    </select>
  </label>`
}

function LiveSign(): View {
  const { value } = streamState
  if (value === 'off') return null
  return html`<span class=${`live ${value === 'live' ? 'on' : 'off'}`} role="status"
    ><span>${t(value === 'live' ? 'live' : 'notLive')}</span></span
  >`
}

function ReaderMenu(): View {
  const element = useRef<HTMLDetailsElement>(null)
  useEffect(() => {
    const close = (event: Event): void => {
      const { current } = element
      if (current === null || !current.open) return
      const isInside = event.target instanceof Node && current.contains(event.target)
      if (event instanceof KeyboardEvent ? event.key === 'Escape' : !isInside) current.open = false
    }
    document.addEventListener('click', close)
    document.addEventListener('keydown', close)
    return () => {
      document.removeEventListener('click', close)
      document.removeEventListener('keydown', close)
    }
  }, [])
  const { name = '' } = session.value ?? {}
  const leave = (): void => void signOut().catch((error: unknown) => notify(toProblem(error).message, 'bad'))
  return html`<details class="menu" ref=${element}>
    <summary class="button"><${Icon} name="person" /><span class="label">${name}</span></summary>
    <div>
      <${PreferenceFields} />
      <div class="buttons">
        <a class="button small" href=${pathTo('/profile')}>${t('profile')}</a>
        <button type="button" class="button small" onClick=${leave}>${t('signOut')}</button>
      </div>
      <a class="small" href="/docs" target="_blank" rel="noopener">${t('documentation')}</a>
    </div>
  </details>`
}
