/**
 * reporters-page - the operators of feedback loops whose signed complaints count
 *
 * See also: http/api/installation/reporters.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { language } from '../../app/preferences.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { PageHead } from '../../components/page-head.ts'
import { reportersTexts as t } from './reporters-texts.ts'

/** `GET /v1/reporters`. */
type ReporterRow = {
  readonly name: string
  readonly from: readonly string[]
  readonly domains: readonly string[]
  readonly complaints: number
  readonly lastComplaintAt: string | null
}

export function ReportersPage(): View {
  const list = useResource((signal) => api.get<{ readonly reporters: readonly ReporterRow[] }>('/reporters', { signal }), [])
  const empty = html`<${EmptyState} title=${t('empty')}><p>${t('emptyHelp')}</p></${EmptyState}>`
  return html`<${PageHead} title=${t('title')} lead=${t('lead')} />
    <${DataTable}
      caption=${t('title')}
      columns=${columns()}
      rows=${list.value?.reporters ?? null}
      list=${list}
      empty=${empty}
      rowKey=${({ name }: ReporterRow) => name}
    />`
}

const columns = (): readonly Column<ReporterRow>[] => [
  { key: 'name', title: t('name'), isHeading: true, sortBy: ({ name }) => name, cell: ({ name }) => name },
  {
    key: 'from',
    title: t('from'),
    cell: ({ from }) =>
      from.length === 0 ? html`<span class="muted">${t('aligned')}</span>` : html`<span class="small">${from.join(', ')}</span>`,
  },
  {
    key: 'domains',
    title: t('domains'),
    cell: ({ domains }) => (domains.length === 0 ? html`<span class="muted">${t('unsigned')}</span>` : domains.join(', ')),
  },
  {
    key: 'complaints',
    title: t('complaints'),
    isNumber: true,
    sortBy: ({ complaints }) => complaints,
    cell: ({ complaints }) => complaints.toLocaleString(language.value),
  },
  {
    key: 'last',
    title: t('last'),
    sortBy: ({ lastComplaintAt }) => lastComplaintAt,
    cell: ({ lastComplaintAt }) => html`<${Moment} at=${lastComplaintAt} relative=${true} fallback=${t('none')} />`,
  },
]
