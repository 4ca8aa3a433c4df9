/**
 * reclassifications-page - the reclassifications of the installation, newest first, and the start of one with the rules in force
 *
 * See also: pages/rules/draft-page (starts one with a draft), docs/RULES.md.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { accounts } from '../../app/account-choice.ts'
import { usePagedList } from '../../app/page-table.ts'
import { navigate, pathTo } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { Dialog } from '../../components/dialog.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { Form, SelectField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { PageHead } from '../../components/page-head.ts'
import { rulesTexts } from '../rules/rules-texts.ts'
import { isRunning, JOB_TONES, type Reclassification } from './reclassification.ts'
import { reclassifyTexts as t } from './reclassify-texts.ts'

type Page = { readonly reclassifications: readonly Reclassification[]; readonly next: string | null }

const REFRESH_MS = 5_000

export function ReclassificationsPage(): View {
  const list = usePagedList((after, signal) => api.get<Page>('/reclassifications', { query: { after, limit: 50 }, signal }), [], {
    every: REFRESH_MS,
  })
  const [isStarting, setStarting] = useState(false)
  const empty = html`<${EmptyState} title=${t('empty')}>
    <p>${t('emptyHelp')}</p>
    ${may('operate') ? html`<p><a class="button" href=${pathTo('/rules/draft')}>${t('draft')}</a></p>` : null}
  </${EmptyState}>`
  return html`<nav><a href=${pathTo('/rules')}>← ${rulesTexts('back')}</a></nav>
    <${PageHead} title=${t('title')} lead=${t('lead')}>
      ${may('operate') ? html`<button type="button" class="button main" onClick=${() => setStarting(true)}>${t('start')}</button>` : null}
    </${PageHead}>
    <${DataTable} caption=${t('title')} columns=${COLUMNS()} rows=${list.value?.reclassifications ?? null} rowKey=${({ id }: Reclassification) => id}
      list=${list} empty=${empty} />
    ${isStarting ? html`<${StartDialog} onClose=${() => setStarting(false)} />` : null}`
}

const COLUMNS = (): readonly Column<Reclassification>[] => [
  {
    key: 'created',
    title: t('created'),
    isHeading: true,
    sortBy: ({ createdAt }) => createdAt,
    cell: ({ id, createdAt }) => html`<a href=${pathTo(`/rules/reclassifications/${id}`)}><${Moment} at=${createdAt} style="second" /></a>`,
  },
  {
    key: 'state',
    title: t('state'),
    sortBy: ({ state }) => state,
    cell: ({ state, progress }) =>
      html`<${Badge} tone=${JOB_TONES[state]}>${t(state)}${isRunning(state) ? ` ${Math.floor(progress * 100)} %` : ''}</${Badge}>`,
  },
  {
    key: 'what',
    title: t('what'),
    cell: ({ undoes, table, account }) =>
      html`<div>
        ${undoes === null ? t('rulesOf', { table: table ?? '–' }) : t('undoes')}<span class="sub"
          ><${ForeignText} text=${account} fallback=${t('allAccounts')}
        /></span>
      </div>`,
  },
  ...FIGURES(),
]

const FIGURES = (): readonly Column<Reclassification>[] => [
  {
    key: 'preview',
    title: t('wouldChange'),
    isNumber: true,
    sortBy: ({ preview }) => preview.changed,
    cell: ({ preview }) => preview.changed.toLocaleString(),
  },
  {
    key: 'outcome',
    title: t('changed'),
    isNumber: true,
    sortBy: ({ outcome }) => outcome.changed,
    cell: ({ outcome }) => outcome.changed.toLocaleString(),
  },
  {
    key: 'by',
    title: t('by'),
    cell: ({ askedBy, appliedBy }) => html`<${ForeignText} text=${[...new Set([askedBy, appliedBy ?? askedBy])].join(', ')} />`,
  },
]

const DAYS = [7, 30, 90, 180] as const
const DAY_MS = 86_400_000

function StartDialog({ onClose }: { readonly onClose: () => void }): View {
  const form = useForm({ days: '30', account: '' }, async ({ days, account }) => {
    const since = new Date(Date.now() - Number(days) * DAY_MS).toISOString()
    const { id } = await api.post<Reclassification>('/reclassifications', { body: { since, ...(account === '' ? {} : { account }) } })
    onClose()
    navigate(pathTo(`/rules/reclassifications/${id}`))
  })
  const names = (accounts.value ?? []).map(({ name }) => ({ value: name, text: name }))
  return html`<${Dialog} title=${t('startTitle')} onClose=${onClose}>
    <${Form} form=${form} action=${t('start')} onCancel=${onClose}>
      <${SelectField} form=${form} name="days" label=${t('since')} options=${DAYS.map((n) => ({ value: String(n), text: t('days', { n }) }))} />
      <${SelectField} form=${form} name="account" label=${t('account')} options=${[{ value: '', text: t('allAccounts') }, ...names]} />
    </${Form}>
  </${Dialog}>`
}
