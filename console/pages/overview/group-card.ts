/**
 * group-card - sites or accounts with their counts, each with a bar of its outcomes
 */
import { Fragment } from 'preact'
import { language } from '../../app/preferences.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { formatShare } from '../../components/number.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { common } from '../../texts/common-texts.ts'
import type { CountGroup, Counts } from './counts.ts'
import { overviewTexts as t } from './overview-texts.ts'

type GroupCardProps = {
  readonly title: string
  readonly head: string
  /** Null: not read yet. */
  readonly groups: { readonly groups: readonly CountGroup[]; readonly others: Counts } | null
  readonly linkOf: (name: string) => string
}

export function GroupCard({ title, head, groups, linkOf }: GroupCardProps): View {
  const rows = groups?.groups ?? []
  return html`<section class="card wide-card">
    <header><h2>${title}</h2></header>
    ${groups !== null && rows.length === 0 ? html`<${EmptyState} title=${t('empty')} />` : null}
    ${groups === null ? html`<p class="muted">${common('loading')}</p>` : null}
    ${rows.length === 0 ? null : html`<div class="table-box"><${GroupTable} head=${head} rows=${rows} others=${groups?.others ?? null} linkOf=${linkOf} /></div>`}
  </section>`
}

type GroupTableProps = Pick<GroupCardProps, 'head' | 'linkOf'> & { readonly rows: readonly CountGroup[]; readonly others: Counts | null }

const GroupTable = ({ head, rows, others, linkOf }: GroupTableProps): View =>
  html`<table class="groups">
    <thead>
      <tr>
        <th scope="col">${head}</th>
        ${(['request', 'invalid', 'softBounce'] as const).map((key) => html`<th key=${key} scope="col" class="end">${t(key)}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ({ name, counts }) =>
          html`<tr key=${name}>
            <th scope="row">
              <a href=${linkOf(name)}><${ForeignText} text=${name} /></a><${OutcomeBar} counts=${counts} />
            </th>
            ${countCells(counts)}
          </tr>`,
      )}
      ${
        others === null || others.request === 0
          ? null
          : html`<tr>
              <th scope="row" class="muted">${t('others')}</th>
              ${countCells(others)}
            </tr>`
      }
    </tbody>
  </table>`

const countCells = ({ request, invalid, softBounce }: Counts): View =>
  html`<${Fragment}>
    <td class="end">${request.toLocaleString(language.value)}</td>
    <td class="end">${formatShare(invalid, request)}</td>
    <td class="end">${formatShare(softBounce, request)}</td>
  </${Fragment}>`

/** The same figures as the columns; screen readers have those. */
function OutcomeBar({ counts }: { readonly counts: Counts }): View {
  const widthOf = (n: number): { readonly width: string } => ({ width: `${counts.request === 0 ? 0 : (n / counts.request) * 100}%` })
  return html`<div class="outcome-bar" aria-hidden="true">
    <i class="good" style=${widthOf(counts.delivered)}></i><i class="warn" style=${widthOf(counts.softBounce)}></i
    ><i class="bad" style=${widthOf(counts.invalid)}></i>
  </div>`
}
