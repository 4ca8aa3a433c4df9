/**
 * changes - what a reclassification changes: by account and meaning, by list, and samples with both verdicts
 */
import { DataTable, type Column } from '../../components/data-table.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { MarkedText } from '../../components/marked-text.ts'
import { Moment } from '../../components/moment.ts'
import { pathTo } from '../../app/router.ts'
import { meaningText, type ChangedGroup, type Sample, type Summary } from './reclassification.ts'
import { reclassifyTexts as t } from './reclassify-texts.ts'

const IDLE = { isLoading: false, problem: null, refresh: () => undefined }

export const SummaryCards = ({ title, summary }: { readonly title: string; readonly summary: Summary }): View =>
  html`<section class="card">
      <header><h2>${title}</h2></header>
      <dl class="pairs">
        <dt>${t('examined')}</dt>
        <dd>${summary.examined.toLocaleString()}</dd>
        <dt>${t('otherMeaning')}</dt>
        <dd><strong>${summary.changed.toLocaleString()}</strong></dd>
        <dt>${t('unreadable')}</dt>
        <dd>${summary.unreadable.toLocaleString()}</dd>
        <dt>${t('lists')}</dt>
        <dd>
          ${summary.lists.length === 0 ? t('noLists') : summary.lists.map(({ account, action, n }) => html`<div key=${`${account} ${action}`}><${ForeignText} text=${account} fallback=${t('shared')} />: ${n.toLocaleString()} ${t(action)}</div>`)}
        </dd>
      </dl>
    </section>
    <${DataTable}
      caption=${title}
      columns=${COLUMNS()}
      rows=${summary.groups}
      list=${IDLE}
      sortName="groups"
      rowKey=${(group: ChangedGroup) => `${group.account} ${meaningText(group.from)} ${meaningText(group.to)}`}
      empty=${html`<p class="muted">${t('nothing')}</p>`}
    />`

const COLUMNS = (): readonly Column<ChangedGroup>[] => [
  {
    key: 'account',
    title: t('account'),
    sortBy: ({ account }) => account,
    cell: ({ account }) => html`<${ForeignText} text=${account} />`,
  },
  { key: 'from', title: t('from'), sortBy: ({ from }) => meaningText(from), cell: ({ from }) => meaningText(from) },
  { key: 'to', title: t('to'), isHeading: true, sortBy: ({ to }) => meaningText(to), cell: ({ to }) => meaningText(to) },
  { key: 'n', title: t('failures'), isNumber: true, sortBy: ({ n }) => n, cell: ({ n }) => n.toLocaleString() },
  {
    key: 'deliveries',
    title: t('deliveries'),
    isNumber: true,
    sortBy: ({ deliveries }) => deliveries,
    cell: ({ deliveries }) => deliveries.toLocaleString(),
  },
]

export function Samples({ samples }: { readonly samples: readonly Sample[] }): View | null {
  if (samples.length === 0) return null
  return html`<section class="card">
    <header><h2>${t('samples')}</h2></header>
    ${samples.map((sample, at) => html`<${SampleView} key=${at} sample=${sample} />`)}
  </section>`
}

const SampleView = ({ sample: { account, emailId, domain, at, statusChanges, from, to } }: { readonly sample: Sample }): View =>
  html`<dl class="pairs">
    <dt><${Moment} at=${at} /></dt>
    <dd>
      ${
        emailId === null || account === null
          ? html`<${ForeignText} text=${domain} />`
          : html`<a href=${pathTo(`/messages/${encodeURIComponent(emailId)}`, { account })}><${ForeignText} text=${domain} /></a>`
      }
      ${statusChanges ? null : html` <span class="small muted">${t('keepsStatus')}</span>`}
    </dd>
    <dt>${t('old')}</dt>
    <dd>${meaningText(from)} <code>${from.rule}</code></dd>
    <dt>${t('new')}</dt>
    <dd>${meaningText(to)} <code>${to.rule}</code></dd>
    <dt></dt>
    <dd class="mono"><${MarkedText} text=${to.text} phrases=${to.matched} /></dd>
  </dl>`
