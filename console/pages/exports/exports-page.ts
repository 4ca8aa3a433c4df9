/**
 * exports-page - export jobs of an account: their progress, their files, and a form for a new one
 *
 * See also: docs/EXPORTS.md.
 */
import { useState } from 'preact/hooks'
import { api, apiUrl } from '../../api/client.ts'
import { toProblem } from '../../api/resource.ts'
import { usePagedList } from '../../app/page-table.ts'
import { language } from '../../app/preferences.ts'
import { chosenAccount } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { ConfirmDialog } from '../../components/dialog.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment, formatMoment } from '../../components/moment.ts'
import { notify } from '../../components/note.ts'
import { formatBytes } from '../../components/number.ts'
import { PageHead } from '../../components/page-head.ts'
import { RowMenu } from '../../components/row-menu.ts'
import { common } from '../../texts/common-texts.ts'
import { exportsTexts as t } from './exports-texts.ts'
import { NewExport } from './new-export.ts'

/** `GET /v1/exports`. */
type Job = {
  readonly id: string
  readonly kind: string
  readonly format: string
  readonly gzip: boolean
  readonly filters: Readonly<Record<string, unknown>>
  readonly since: string
  readonly until: string
  readonly state: 'queued' | 'running' | 'done' | 'failed' | 'expired'
  readonly progress: number
  readonly rows: number
  readonly bytes: number
  readonly askedBy: string
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly error: string | null
}

const STATE_TONES = { queued: 'plain', running: 'accent', done: 'good', failed: 'bad', expired: 'plain' } as const
/** A job that runs moves on quickly. */
const REFRESH_MS = 3_000

export function ExportsPage(): View {
  const account = chosenAccount.value
  const list = usePagedList(
    (after, signal) =>
      api.get<{ readonly exports: readonly Job[]; readonly next: string | null }>('/exports', {
        query: { account, after, limit: 50 },
        signal,
      }),
    [account],
    { every: REFRESH_MS },
  )
  const [isAdding, setAdding] = useState(false)
  const [removed, setRemoved] = useState<Job | null>(null)
  const close = (): void => {
    setAdding(false)
    setRemoved(null)
    list.refresh()
  }
  const add = html`<button type="button" class="button main" onClick=${() => setAdding(true)}>${t('add')}</button>`
  const columns = exportColumns(
    (job) => html`<${JobActions} job=${job} account=${account} onRemove=${() => setRemoved(job)} onChange=${list.refresh} />`,
  )
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}>${may('operate') ? add : null}</${PageHead}>
    <${DataTable} caption=${t('title')} columns=${columns} rows=${list.value?.exports ?? null} rowKey=${({ id }: Job) => id} list=${list}
      empty=${html`<${EmptyState} title=${t('empty')}><p>${t('emptyHelp')}</p></${EmptyState}>`} />
    ${isAdding ? html`<${NewExport} account=${account} onClose=${close} />` : null}
    ${
      removed === null
        ? null
        : html`<${ConfirmDialog} title=${t('removeTitle')} action=${t('remove')} isDanger=${true} onClose=${close}
            onConfirm=${() => api.delete(`/exports/${removed.id}`, { query: { account } })}><p>${t('removeText')}</p></${ConfirmDialog}>`
    }`
}

const exportColumns = (actions: (job: Job) => View): readonly Column<Job>[] => [...whatColumns(), ...outcomeColumns(actions)]

function whatColumns(): readonly Column<Job>[] {
  return [
    {
      key: 'kind',
      title: t('kind'),
      isHeading: true,
      sortBy: ({ kind }) => kind,
      cell: ({ kind, format, gzip }) =>
        html`${t.has(kind) ? t(kind) : kind} <span class="small muted">${format.toUpperCase()}${gzip ? ' · gzip' : ''}</span>`,
    },
    {
      key: 'period',
      title: t('period'),
      sortBy: ({ since }) => since,
      cell: ({ since, until }) => t('periodOf', { from: formatMoment(since), until: formatMoment(until) }),
    },
    { key: 'filters', title: t('filters'), cell: ({ filters }) => html`<${Filters} filters=${filters} />` },
  ]
}

function outcomeColumns(actions: (job: Job) => View): readonly Column<Job>[] {
  return [
    { key: 'state', title: t('state'), sortBy: ({ state }) => state, cell: (job) => html`<${State} job=${job} />` },
    { key: 'rows', title: t('rows'), isNumber: true, sortBy: ({ rows }) => rows, cell: ({ rows }) => rows.toLocaleString(language.value) },
    { key: 'size', title: t('size'), isNumber: true, sortBy: ({ bytes }) => bytes, cell: ({ bytes }) => formatBytes(bytes) },
    {
      key: 'askedBy',
      title: t('askedBy'),
      sortBy: ({ askedBy }) => askedBy,
      cell: ({ askedBy }) => html`<${ForeignText} text=${askedBy} />`,
    },
    {
      key: 'created',
      title: t('created'),
      sortBy: ({ createdAt }) => createdAt,
      cell: ({ createdAt }) => html`<${Moment} at=${createdAt} relative=${true} />`,
    },
    {
      key: 'kept',
      title: t('kept'),
      sortBy: ({ expiresAt }) => expiresAt,
      cell: ({ expiresAt }) => html`<${Moment} at=${expiresAt} style="day" />`,
    },
    { key: 'actions', title: common('actions'), isActions: true, cell: actions },
  ]
}

const Filters = ({ filters }: { readonly filters: Job['filters'] }): View =>
  html`<${ForeignText}
    fallback=${common('all')}
    text=${Object.entries(filters)
      .map(([name, value]) => `${name}: ${String(value)}`)
      .join(', ')}
  />`

const State = ({ job: { state, progress, error } }: { readonly job: Job }): View =>
  html`<${Badge} tone=${STATE_TONES[state]}>${t(state)}</${Badge}>
    ${state === 'running' ? html` <progress max="1" value=${progress} aria-label=${t('progress')}></progress>` : null}
    ${error === null ? null : html`<div class="small"><${ForeignText} text=${error} /></div>`}`

type JobActionsProps = { readonly job: Job; readonly account: string; readonly onRemove: () => void; readonly onChange: () => void }

function JobActions({ job: { id, state, kind }, account, onRemove, onChange }: JobActionsProps): View {
  const retry = async (): Promise<void> => {
    await api.post(`/exports/${id}/retry`, { query: { account } })
    notify(t('retried'))
    onChange()
  }
  const items = [
    ...(state === 'failed' ? [{ text: t('retry'), run: retry }] : []),
    { text: t('remove'), isDanger: true, run: () => Promise.resolve(onRemove()) },
  ]
  return html`<div class="buttons">
    ${state === 'done' ? html`<a class="button small" href=${apiUrl(`/exports/${id}/download`, { account })} download>${t('download')}</a>` : null}
    ${
      may('operate')
        ? html`<${RowMenu}
            label=${`${common('actions')}: ${kind}`}
            items=${items}
            onProblem=${(error: unknown) => notify(toProblem(error).message, 'bad')}
          />`
        : null
    }
  </div>`
}
