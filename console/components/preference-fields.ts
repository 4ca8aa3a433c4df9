/**
 * preference-fields - language, appearance and zone, as the reader chooses them
 *
 * See also: app/preferences.
 */
import { language, theme, zoneChoice } from '../app/preferences.ts'
import { applicationTexts as t } from '../texts/application-texts.ts'
import { html, type View } from './html.ts'
import { Segments } from './segments.ts'

/** The choices of this browser. */
export const PreferenceFields = (): View =>
  html`<${Segments}
      legend=${t('language')}
      value=${language.value}
      onChoose=${(value: typeof language.value) => (language.value = value)}
      options=${[
        { value: 'en', text: 'English' },
        { value: 'zh', text: '中文' },
      ]}
    />
    <${Segments}
      legend=${t('appearance')}
      value=${theme.value}
      onChoose=${(value: typeof theme.value) => (theme.value = value)}
      options=${(['system', 'light', 'dark'] as const).map((value) => ({ value, text: t(value) }))}
    />
    <${Segments}
      legend=${t('dates')}
      value=${zoneChoice.value}
      onChoose=${(value: typeof zoneChoice.value) => (zoneChoice.value = value)}
      options=${[
        { value: 'browser', text: t('browserZone') },
        { value: 'account', text: t('accountZone') },
        { value: 'utc', text: t('utcZone') },
      ]}
    />`
