/**
 * side-cards - reasons of invalid addresses, the alerts that stand, and what waits where
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { accounts } from '../../app/account-choice.ts'
import { language } from '../../app/preferences.ts'
import { chosenAccount, pathTo } from '../../app/router.ts'
import { isOperator } from '../../app/session.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { formatDistance } from '../../components/moment.ts'
import { formatBytes } from '../../components/number.ts'
import { alertTexts } from '../../texts/alert-texts.ts'
import { overviewTexts as t } from './overview-texts.ts'
import type { Statistics } from './counts.ts'

export function ReasonCard({ rows }: { readonly rows: Statistics['subStatuses'] }): View {
  const most = rows[0]?.n ?? 1
  return html`<section class="card">
    <header><h2>${t('reasons')}</h2></header>
    ${rows.length === 0 ? html`<p class="muted">${t('noReasons')}</p>` : null}
    <ul class="bars">
      ${rows.slice(0, 8).map(({ subStatus, n }) => {
        const key = `sub${subStatus}`
        return html`<li key=${key}>
          <a href=${pathTo('/messages', { status: 4, subStatus })}
            ><span>${t.has(key) ? t(key) : null} <span class="muted">${subStatus}</span></span></a
          >
          <span class="end">${n.toLocaleString(language.value)}</span>
          <i aria-hidden="true" style=${{ width: `${(n / most) * 100}%` }}></i>
        </li>`
      })}
    </ul>
  </section>`
}

type Alert = {
  readonly account: number
  readonly alert: string
  readonly about: string
  readonly since: string
  readonly value: number | null
}

/** Of the operator who looks at all accounts; an alert of the installation has none. */
const accountNameOf = (account: number): string =>
  isOperator.value && chosenAccount.value === '' ? (accounts.value?.find((each) => each.account === account)?.name ?? '') : ''

export function AlertCard(): View {
  const account = chosenAccount.value
  const { value } = useResource(
    (signal) => api.get<{ readonly alerts: readonly Alert[] }>('/alerts', { query: { account }, signal }),
    [account],
    {
      every: 15_000,
    },
  )
  const alerts = value?.alerts ?? []
  return html`<section class="card">
    <header><h2>${t('alerts')}</h2></header>
    ${value !== null && alerts.length === 0 ? html`<p class="muted">${t('noAlerts')}</p>` : null}
    <ul class="alerts">
      ${alerts.slice(0, 8).map(
        ({ alert, about, since, account: number }) =>
          html`<li key=${`${number} ${alert} ${about}`}>
            <a href=${pathTo('/alerts')}>${alertTexts.word(alert)}</a>${about === '' ? null : html` <${ForeignText} text=${about} />`}
            <span class="muted small">${accountNameOf(number)} ${t('since', { time: formatDistance(since) })}</span>
          </li>`,
      )}
    </ul>
  </section>`
}

type Status = {
  readonly queued: number
  readonly outbox: number
  readonly inbox: number
  readonly reportsLastHour: number
  readonly disk: { readonly freeBytes: number | null; readonly isLow: boolean }
}

/** For the operator: the daemon is of all accounts. */
export function GlanceCard(): View {
  const isShown = isOperator.value
  const { value } = useResource((signal) => (isShown ? api.get<Status>('/status', { signal }) : Promise.resolve(null)), [isShown], {
    every: 5_000,
  })
  if (!isShown) return null
  const numbers = (['queued', 'outbox', 'inbox', 'reportsLastHour'] as const).map(
    (key) =>
      html`<dt>${t(key)}</dt>
        <dd class="end">${value === null ? '–' : value[key].toLocaleString(language.value)}</dd>`,
  )
  return html`<section class="card">
    <header><h2>${t('glance')}</h2></header>
    <dl class="pairs glance">
      ${numbers}
      <dt>${t('disk')}</dt>
      <dd class="end">
        ${value?.disk.freeBytes === null || value === null ? '–' : formatBytes(value.disk.freeBytes)}
        ${value?.disk.isLow === true ? html`<span class="bad-text"> ${t('diskLow')}</span>` : null}
      </dd>
    </dl>
  </section>`
}
