/**
 * messages-page - searches the copies of messages by recipient, status, reason, label, domain, IP and day
 *
 * See also: pages/messages/message-page.
 */
import { api } from '../../api/client.ts'
import { usePagedList } from '../../app/page-table.ts'
import { chosenAccount, navigate, pathTo, queryValue, withQuery } from '../../app/router.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { Form, SelectField, TextField, useForm, type FormState } from '../../components/form.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { readMoment } from '../../components/moment-input.ts'
import { PageHead } from '../../components/page-head.ts'
import { StatusBadge } from '../../components/status-badge.ts'
import { common } from '../../texts/common-texts.ts'
import { REASON_KEYS, verdictTexts, verdictWord } from '../../texts/verdict-texts.ts'
import type { Message } from './message.ts'
import { messagesTexts as t } from './messages-texts.ts'

const FIRST_FILTERS = ['recipient', 'status', 'reason', 'domain', 'since', 'until'] as const
const MORE_FILTERS = ['subStatus', 'label', 'egressIp', 'requestIp'] as const
const FILTERS = [...FIRST_FILTERS, ...MORE_FILTERS] as const

type Filters = Record<(typeof FILTERS)[number], string>

// Checked cast: a record over the names.
const readFilters = (): Filters => Object.fromEntries(FILTERS.map((name) => [name, queryValue(name)])) as Filters

/** The day after `yyyy-MM-dd`, which the filter includes; '' for what is no day. */
function nextDay(day: string): string {
  const at = Date.parse(`${day}T00:00:00Z`) + 86_400_000
  return Number.isFinite(at) ? new Date(at).toISOString().slice(0, 10) : ''
}

const PAGE_SIZE = 50

export function MessagesPage(): View {
  const filters = readFilters()
  const account = chosenAccount.value
  const query = { ...filters, since: readMoment(filters.since), until: readMoment(nextDay(filters.until)), account, limit: PAGE_SIZE }
  const list = usePagedList(
    (after, signal) =>
      api.get<{ readonly messages: readonly Message[]; readonly next: string | null }>('/messages', { query: { ...query, after }, signal }),
    [query],
  )
  return html`<${PageHead} title=${t('title')} lead=${t('lead')} />
    <${Search} key=${JSON.stringify(filters)} filters=${filters} />
    <${DataTable}
      caption=${t('title')}
      columns=${columns()}
      rows=${list.value?.messages ?? null}
      rowKey=${({ emailId, requestedAt }: Message) => emailId ?? requestedAt}
      list=${list}
      empty=${html`<${EmptyState} title=${t('empty')}><p>${t('emptyHelp')}</p><a class="button" href=${pathTo('/messages')}>${common('clear')}</a></${EmptyState}>`}
    />`
}

function Search({ filters }: { readonly filters: Filters }): View {
  const form = useForm(filters, async (values) => navigate(withQuery({ ...values, after: null })))
  const any = { value: '', text: common('all') }
  const statuses = ([1, 4, 5, 18] as const).map((status) => ({ value: String(status), text: verdictTexts(`status${status}`) }))
  const reasons = REASON_KEYS.map((reason) => ({ value: reason, text: verdictTexts(reason) }))
  const isMore = MORE_FILTERS.some((name) => filters[name] !== '')
  return html`<section class="card filter-card"><${Form} form=${form} action=${common('search')}>
    <div class="filters">
      <${TextField} form=${form} name="recipient" type="search" label=${t('recipient')} />
      <${SelectField} form=${form} name="status" label=${t('status')} options=${[any, ...statuses]} />
      <${SelectField} form=${form} name="reason" label=${t('reason')} options=${[any, ...reasons]} />
      <${TextField} form=${form} name="domain" label=${t('site')} />
      <${TextField} form=${form} name="since" type="date" label=${t('since')} />
      <${TextField} form=${form} name="until" type="date" label=${t('until')} />
    </div>
    <details open=${isMore}><summary class="small muted">${t('moreFilters')}</summary><${MoreFields} form=${form} /></details>
  </${Form}></section>`
}

const MoreFields = ({ form }: { readonly form: FormState<Filters> }): View =>
  html`<div class="filters more">
    ${MORE_FILTERS.map((name) => html`<${TextField} key=${name} form=${form} name=${name} label=${t(name)} />`)}
  </div>`

function columns(): readonly Column<Message>[] {
  return [
    {
      key: 'recipient',
      title: t('recipient'),
      isHeading: true,
      isClamped: true,
      sortBy: ({ recipient }) => recipient,
      cell: ({ recipient, emailId }) =>
        emailId === null
          ? html`<${ForeignText} text=${recipient} />`
          : html`<a href=${pathTo(`/messages/${encodeURIComponent(emailId)}`)}
              ><${ForeignText} text=${recipient} fallback=${emailId}
            /></a>`,
    },
    { key: 'status', title: t('status'), sortBy: ({ status }) => status, cell: ({ status }) => html`<${StatusBadge} status=${status} />` },
    {
      key: 'reason',
      title: t('reason'),
      sortBy: ({ reason }) => reason,
      cell: ({ reason, subStatus }) =>
        reason === null
          ? html`<span class="muted">–</span>`
          : html`${verdictWord(reason)}${subStatus === null ? null : html` <span class="muted">${subStatus}</span>`}`,
    },
    ...aboutColumns(),
  ]
}

function aboutColumns(): readonly Column<Message>[] {
  return [
    {
      key: 'subject',
      title: t('subject'),
      isClamped: true,
      sortBy: ({ subject }) => subject,
      cell: ({ subject }) => html`<${ForeignText} text=${subject} />`,
    },
    {
      key: 'label',
      title: t('label'),
      isClamped: true,
      sortBy: ({ label }) => label,
      cell: ({ label }) => html`<${ForeignText} text=${label} />`,
    },
    {
      key: 'sent',
      title: t('sent'),
      sortBy: ({ requestedAt }) => requestedAt,
      cell: ({ requestedAt }) => html`<${Moment} at=${requestedAt} />`,
    },
  ]
}
