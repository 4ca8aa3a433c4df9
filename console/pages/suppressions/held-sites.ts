/**
 * held-sites - the sites whose entries the mass-bounce guard holds: to apply or to discard
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { withQuery } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { ConfirmDialog } from '../../components/dialog.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { formatDistance } from '../../components/moment.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

type HeldSite = { readonly site: string; readonly held: boolean; readonly since: string | null; readonly pending: number }
type Decision = { readonly site: HeldSite; readonly action: 'apply' | 'discard' }

/** Nothing, while no site is held. */
export function HeldSites({ onChange }: { readonly onChange: () => void }): View {
  const held = useResource((signal) => api.get<{ readonly brakes: readonly HeldSite[] }>('/brakes', { signal }), [], { every: 15_000 })
  const [decision, setDecision] = useState<Decision | null>(null)
  const sites = held.value?.brakes ?? []
  if (sites.length === 0) return null
  const close = (): void => {
    setDecision(null)
    held.refresh()
    onChange()
  }
  return html`<section class="card held-sites">
    <header><h2>${t('heldTitle')}</h2></header>
    <p class="muted">${t('heldLead')}</p>
    <ul>
      ${sites.map(
        (site) =>
          html`<li key=${site.site}>
            <strong><${ForeignText} text=${site.site} /></strong>
            <span class="muted">${t('heldCount', { n: site.pending, time: site.since === null ? '–' : formatDistance(site.since) })}</span>
            <span class="buttons">
              <a class="button small" href=${withQuery({ list: null, state: 'held', site: site.site })}>${t('showEntries')}</a>
              ${
                may('operate')
                  ? html`<button type="button" class="button small" onClick=${() => setDecision({ site, action: 'discard' })}>
                        ${t('discardHeld')}
                      </button>
                      <button type="button" class="button small danger" onClick=${() => setDecision({ site, action: 'apply' })}>
                        ${t('applyHeld')}
                      </button>`
                  : null
              }
            </span>
          </li>`,
      )}
    </ul>
    ${decision === null ? null : html`<${Question} decision=${decision} onClose=${close} />`}
  </section>`
}

function Question({ decision: { site, action }, onClose }: { readonly decision: Decision; readonly onClose: () => void }): View {
  const isApply = action === 'apply'
  return html`<${ConfirmDialog} title=${t(isApply ? 'applyTitle' : 'discardTitle', { n: site.pending, site: site.site })} action=${t(isApply ? 'applyHeld' : 'discardHeld')}
    isDanger=${isApply} onClose=${onClose} onConfirm=${() => api.post(`/brakes/${encodeURIComponent(site.site)}/${action}`)}>
    <p>${t(isApply ? 'applyText' : 'discardText')}</p>
  </${ConfirmDialog}>`
}
