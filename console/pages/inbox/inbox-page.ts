/**
 * inbox-page - mails that could not be read, matched or trusted, with the reason
 *
 * See also: pages/inbox/inbox-item-page (one mail and what to do with it).
 */
import { api } from '../../api/client.ts'
import { useEvents } from '../../api/event-stream.ts'
import { usePagedList } from '../../app/page-table.ts'
import { chosenAccount, navigate, pathTo, queryValue, withQuery } from '../../app/router.ts'
import { Badge } from '../../components/badge.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { PageHead } from '../../components/page-head.ts'
import { common } from '../../texts/common-texts.ts'
import { ITEM_REASONS, STATES, STATE_TONES, type InboxItem } from './inbox-item.ts'
import { inboxTexts as t } from './inbox-texts.ts'

type InboxList = { readonly items: readonly InboxItem[]; readonly next: string | null }

const REFRESH_MS = 30_000

export function InboxPage(): View {
  const account = chosenAccount.value
  const [state, reason] = [queryValue('state', 'open'), queryValue('reason')]
  const list = usePagedList(
    (after, signal) => api.get<InboxList>('/inbox', { query: { account, state, reason, after, limit: 50 }, signal }),
    [account, state, reason],
    { every: REFRESH_MS },
  )
  useEvents(['inbox'], list.refresh)
  const isFiltered = state !== 'open' || reason !== ''
  const empty = isFiltered
    ? html`<${EmptyState} title=${t('emptyFiltered')}><p><a href=${withQuery({ state: null, reason: null })}>${common('clear')}</a></p></${EmptyState}>`
    : html`<${EmptyState} title=${t('empty')}><p>${t('emptyHelp')}</p></${EmptyState}>`
  return html`<${PageHead} title=${t('title')} lead=${t('lead')} />
    <${Filters} state=${state} reason=${reason} />
    <${DataTable}
      caption=${t('title')}
      columns=${columns()}
      rows=${list.value?.items ?? null}
      rowKey=${({ id }: InboxItem) => id}
      list=${list}
      empty=${empty}
    />`
}

function Filters({ state, reason }: { readonly state: string; readonly reason: string }): View {
  const onChange = (event: Event & { currentTarget: HTMLSelectElement }): void => {
    const { name, value } = event.currentTarget
    navigate(withQuery({ [name]: value }))
  }
  const option = (value: string, chosen: string, text: string): View =>
    html`<option key=${value} value=${value} selected=${value === chosen}>${text}</option>`
  return html`<form class="filters">
    <div class="field">
      <label for="inbox-state">${t('state')}</label>
      <select id="inbox-state" name="state" onChange=${onChange}>
        ${STATES.map((each) => option(each, state, t(each)))}
      </select>
    </div>
    <div class="field wide">
      <label for="inbox-reason">${t('reason')}</label>
      <select id="inbox-reason" name="reason" onChange=${onChange}>
        ${option('', reason, t('allReasons'))}${ITEM_REASONS.map((each) => option(each, reason, t(each)))}
      </select>
    </div>
  </form>`
}

const columns = (): readonly Column<InboxItem>[] => [
  {
    key: 'subject',
    title: t('subject'),
    isHeading: true,
    isClamped: true,
    sortBy: ({ subject }) => subject,
    cell: ({ id, subject }) => html`<a href=${pathTo(`/inbox/${id}`)}><${ForeignText} text=${subject} fallback=${t('noSubject')} /></a>`,
  },
  { key: 'from', title: t('from'), isClamped: true, sortBy: ({ from }) => from, cell: ({ from }) => html`<${ForeignText} text=${from} />` },
  { key: 'reason', title: t('reason'), sortBy: ({ reason }) => reason, cell: ({ reason }) => t(reason) },
  { key: 'kind', title: t('kind'), sortBy: ({ kind }) => kind, cell: ({ kind }) => html`<code>${kind}</code>` },
  {
    key: 'summary',
    title: t('summary'),
    isClamped: true,
    cell: ({ summary }) => html`<span class="small"><${ForeignText} text=${summary} /></span>`,
  },
  {
    key: 'state',
    title: t('state'),
    sortBy: ({ state }) => state,
    cell: ({ state }) => html`<${Badge} tone=${STATE_TONES[state]}>${t(state)}</${Badge}>`,
  },
  {
    key: 'received',
    title: t('received'),
    sortBy: ({ receivedAt }) => receivedAt,
    cell: ({ receivedAt }) => html`<${Moment} at=${receivedAt} relative=${true} />`,
  },
]
