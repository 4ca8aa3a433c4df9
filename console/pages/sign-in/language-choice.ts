/**
 * language-choice - English or Chinese, before anybody has signed in
 */
import { language } from '../../app/preferences.ts'
import { html, type View } from '../../components/html.ts'

const NAMES = { en: 'English', zh: '中文' } as const

export const LanguageChoice = (): View =>
  html`<div class="corner">
    ${(['en', 'zh'] as const).map(
      (each) =>
        html`<button
          key=${each}
          type="button"
          class="button small"
          lang=${each}
          aria-pressed=${language.value === each}
          onClick=${() => (language.value = each)}
        >
          ${NAMES[each]}
        </button>`,
    )}
  </div>`
