/**
 * alerts-page - what is out of its bounds, since when, and the limits in force
 *
 * See also: docs/ALERTS.md.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { useEvents } from '../../api/event-stream.ts'
import { accounts } from '../../app/account-choice.ts'
import { language } from '../../app/preferences.ts'
import { chosenAccount, pathTo, queryValue } from '../../app/router.ts'
import { isOperator } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type Child, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { PageHead } from '../../components/page-head.ts'
import { QuerySegments } from '../../components/segments.ts'
import { alertTexts } from '../../texts/alert-texts.ts'
import { alertsTexts as t } from './alerts-texts.ts'

type Unit = 'share' | 'minutes' | 'hours'

/** `GET /v1/alerts`. */
type Alert = {
  readonly account: number
  readonly alert: string
  readonly about: string
  readonly state: 'raised' | 'clear'
  readonly since: string
  readonly unit: Unit
  readonly value: number | null
  readonly volume: number
  readonly raise: number | null
}

/** `GET /v1/alerts/rules`. */
type AlertRule = {
  readonly alert: string
  readonly unit: Unit
  readonly on: boolean
  readonly raise: number | null
  readonly clear: number | null
  readonly minimum: number | null
}

const REFRESH_MS = 60_000

export function AlertsPage(): View {
  const state = queryValue('state', 'raised')
  const account = chosenAccount.value
  const list = useResource(
    (signal) => api.get<{ readonly alerts: readonly Alert[] }>('/alerts', { query: { account, state }, signal }),
    [account, state],
    { every: REFRESH_MS },
  )
  useEvents(['alert'], list.refresh)
  const filter = [
    { value: 'raised', text: t('raised') },
    { value: 'any', text: t('any') },
  ]
  const empty =
    state === 'raised'
      ? html`<${EmptyState} title=${t('none')}><p>${t('noneHelp')}</p></${EmptyState}>`
      : html`<${EmptyState} title=${t('nonePast')} />`
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}>
      <${QuerySegments} label=${t('filter')} name="state" options=${filter} />
    </${PageHead}>
    <${DataTable} caption=${t('title')} columns=${alertColumns()} rows=${list.value?.alerts ?? null} list=${list} empty=${empty}
      rowKey=${({ account: owner, alert, about }: Alert) => `${owner}/${alert}/${about}`} />
    ${account === '' && isOperator.value ? null : html`<${Limits} account=${account} />`}`
}

/** A measurement in its unit. */
function formatValue(value: number | null, unit: Unit): Child {
  if (value === null) return html`<span class="muted">–</span>`
  if (unit === 'share') return value.toLocaleString(language.value, { style: 'percent', maximumFractionDigits: 2 })
  return t(unit, { n: Math.round(value) })
}

function alertColumns(): readonly Column<Alert>[] {
  const columns: readonly (Column<Alert> | null)[] = [
    {
      key: 'alert',
      title: t('alert'),
      isHeading: true,
      sortBy: ({ alert }) => alertTexts.word(alert),
      cell: ({ alert }) => html`${alertTexts.word(alert)} <code class="small muted">${alert}</code>`,
    },
    { key: 'about', title: t('about'), sortBy: ({ about }) => about, cell: (row) => html`<${About} row=${row} />` },
    isOperator.value && chosenAccount.value === ''
      ? { key: 'account', title: t('account'), sortBy: (row) => accountName(row), cell: (row) => accountName(row) }
      : null,
    {
      key: 'state',
      title: t('state'),
      sortBy: ({ state }) => state,
      cell: ({ state }) =>
        html`<${Badge} tone=${state === 'raised' ? 'bad' : 'good'}>${t(state === 'raised' ? 'standing' : 'clear')}</${Badge}>`,
    },
    {
      key: 'since',
      title: t('since'),
      sortBy: ({ since }) => since,
      cell: ({ since }) => html`<${Moment} at=${since} relative=${true} />`,
    },
    { key: 'value', title: t('value'), isNumber: true, sortBy: ({ value }) => value, cell: ({ value, unit }) => formatValue(value, unit) },
    { key: 'limit', title: t('limit'), isNumber: true, cell: ({ raise, unit }) => formatValue(raise, unit) },
    { key: 'volume', title: t('volume'), isNumber: true, cell: ({ volume }) => volume.toLocaleString(language.value) },
  ]
  return columns.filter((column) => column !== null)
}

/** What the alert is about; a webhook endpoint by its page. */
function About({ row }: { readonly row: Alert }): View {
  const { alert, about } = row
  if (alert !== 'webhook-failing') return html`<${ForeignText} text=${about} />`
  return html`<a href=${pathTo(`/webhooks/${encodeURIComponent(about)}`, { account: accountName(row) })}
    >${t('endpoint', { id: about })}</a
  >`
}

const accountName = ({ account }: Alert): string =>
  account === 0 ? t('installation') : (accounts.value?.find((each) => each.account === account)?.name ?? String(account))

function Limits({ account }: { readonly account: string }): View {
  const list = useResource(
    (signal) => api.get<{ readonly rules: readonly AlertRule[] }>('/alerts/rules', { query: { account }, signal }),
    [account],
  )
  const columns: readonly Column<AlertRule>[] = [
    {
      key: 'alert',
      title: t('alert'),
      isHeading: true,
      cell: ({ alert }) => html`${alertTexts.word(alert)} <code class="small muted">${alert}</code>`,
    },
    { key: 'raise', title: t('raise'), isNumber: true, cell: ({ on, raise, unit }) => (on ? formatValue(raise, unit) : t('off')) },
    { key: 'clear', title: t('clears'), isNumber: true, cell: ({ clear, unit }) => formatValue(clear, unit) },
    { key: 'minimum', title: t('minimum'), isNumber: true, cell: ({ minimum }) => minimum?.toLocaleString(language.value) ?? '–' },
  ]
  return html`<section class="card">
    <header>
      <div>
        <h2>${t('rules')}</h2>
        <p class="muted">${t('rulesLead')}</p>
      </div>
    </header>
    <${DataTable}
      caption=${t('rules')}
      columns=${columns}
      rows=${list.value?.rules ?? null}
      list=${list}
      empty=${null}
      rowKey=${({ alert }: AlertRule) => alert}
    />
  </section>`
}
