/**
 * preferences - what a reader chooses in this browser: language, light or dark, and the zone of dates
 *
 * Kept in the browser only. Without a choice, the browser's language, colours and zone apply.
 *
 * See also: texts/define-texts, components/moment.
 */
import { effect, signal, type Signal } from '@preact/signals'

const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]
type Theme = 'system' | 'light' | 'dark'
/** `browser`: the reader's own zone. `account`: that of the chosen account, which its statistics are counted by. */
type ZoneChoice = 'browser' | 'account' | 'utc'

const PREFIX = 'bounced.'

/** A signal that is kept in the browser. Storage may be forbidden: then the choice lasts as long as the page. */
function remembered<T extends string>(name: string, allowed: readonly T[], fallback: T): Signal<T> {
  let stored: string | null = null
  try {
    stored = localStorage.getItem(PREFIX + name)
  } catch {
    stored = null
  }
  const chosen = signal(allowed.find((each) => each === stored) ?? fallback)
  effect(() => {
    const { value } = chosen
    try {
      localStorage.setItem(PREFIX + name, value)
    } catch {
      return
    }
  })
  return chosen
}

export const language = remembered<Language>('language', LANGUAGES, navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en')
export const theme = remembered<Theme>('theme', ['system', 'light', 'dark'], 'system')
export const zoneChoice = remembered<ZoneChoice>('zone', ['browser', 'account', 'utc'], 'browser')

/** The zone of the chosen account, once it is known. */
export const accountZone = signal<string | null>(null)

/** The IANA zone in which dates are shown. */
export function shownZone(): string {
  if (zoneChoice.value === 'utc') return 'UTC'
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone
  return zoneChoice.value === 'account' ? (accountZone.value ?? own) : own
}

/** Applies language and theme to the document from now on. */
export function applyPreferences(): void {
  effect(() => {
    document.documentElement.lang = language.value === 'zh' ? 'zh-Hans' : 'en'
    if (theme.value === 'system') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = theme.value
  })
}
