/**
 * health - how an endpoint answers: in one word in a list, and in figures on its page
 */
import { api } from '../../api/client.ts'
import { useResource, type Resource } from '../../api/resource.ts'
import { language } from '../../app/preferences.ts'
import { Badge } from '../../components/badge.ts'
import { html, type Child, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { webhooksTexts as t } from './webhooks-texts.ts'

/** `GET /v1/webhooks/:id/health`. */
type Health = {
  readonly accepted: number
  readonly refused: number
  readonly medianMs: number | null
  readonly p95Ms: number | null
  readonly lastAcceptedAt: string | null
  readonly lastRefusedAt: string | null
  readonly waiting: number
  readonly failed: number
  readonly oldestWaitingAt: string | null
}

const REFRESH_MS = 10_000

export const useHealth = (id: number, account: string): Resource<Health> =>
  useResource((signal) => api.get<Health>(`/webhooks/${id}/health`, { query: { account }, signal }), [id, account], { every: REFRESH_MS })

/** The share of attempts that the endpoint accepted. */
export function HealthBadge({ id, account }: { readonly id: number; readonly account: string }): View {
  const { value } = useHealth(id, account)
  if (value === null || value.accepted + value.refused === 0) return html`<span class="muted">–</span>`
  const share = value.accepted / (value.accepted + value.refused)
  const tone = share > 0.9 ? 'good' : share > 0.5 ? 'warn' : 'bad'
  return html`<${Badge} tone=${tone}>${share.toLocaleString(language.value, { style: 'percent', maximumFractionDigits: 1 })}</${Badge}>`
}

export function HealthCard({ health }: { readonly health: Health }): View {
  const number = (value: number): string => value.toLocaleString(language.value)
  const duration = (n: number | null): string => (n === null ? '–' : t('ms', { n }))
  const rows: readonly (readonly [string, Child])[] = [
    [t('accepted'), number(health.accepted)],
    [t('refused'), number(health.refused)],
    [t('median'), duration(health.medianMs)],
    [t('p95'), duration(health.p95Ms)],
    [t('lastAccepted'), html`<${Moment} at=${health.lastAcceptedAt} relative=${true} fallback=${t('never')} />`],
    [t('lastRefused'), html`<${Moment} at=${health.lastRefusedAt} relative=${true} fallback=${t('never')} />`],
    [t('waiting'), number(health.waiting)],
    [t('failed'), number(health.failed)],
    [t('oldest'), html`<${Moment} at=${health.oldestWaitingAt} relative=${true} />`],
  ]
  return html`<section class="card">
    <header><h2>${t('health')}</h2></header>
    <dl class="pairs">
      ${rows.map(
        ([label, value]) =>
          html`<dt key=${label}>${label}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
  </section>`
}
