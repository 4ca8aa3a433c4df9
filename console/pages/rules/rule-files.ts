/**
 * rule-files - the rule files of the operator
 *
 * See also: http/api/rules/rule-files.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { pathTo } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { rulesTexts as t } from './rules-texts.ts'

type RuleFile = { readonly file: string; readonly version: string; readonly modifiedAt: string }

export function RuleFiles(): View {
  const list = useResource((signal) => api.get<{ readonly files: readonly RuleFile[] }>('/rules/files', { signal }), [])
  // The daemon says which setting is missing.
  if (list.problem?.status === 409) return html`<${EmptyState} title=${t('noFolder')}><p>${list.problem.message}</p></${EmptyState}>`
  const empty = html`<${EmptyState} title=${t('noFiles')}>
    <p>${may('operate') ? html`<a href=${pathTo('/rules/draft')}>${t('noFilesHelp')}</a>` : t('noFilesHelp')}</p>
  </${EmptyState}>`
  return html`<${DataTable}
    caption=${t('files')}
    columns=${COLUMNS()}
    rows=${list.value?.files ?? null}
    rowKey=${({ file }: RuleFile) => file}
    list=${list}
    empty=${empty}
  />`
}

const COLUMNS = (): readonly Column<RuleFile>[] => [
  {
    key: 'file',
    title: t('file'),
    isHeading: true,
    sortBy: ({ file }) => file,
    cell: ({ file }) => html`<a href=${pathTo('/rules/draft', { file })}>${file}</a>`,
  },
  { key: 'version', title: t('version'), cell: ({ version }) => html`<code>${version}</code>` },
  {
    key: 'modifiedAt',
    title: t('modified'),
    sortBy: ({ modifiedAt }) => modifiedAt,
    cell: ({ modifiedAt }) => html`<${Moment} at=${modifiedAt} />`,
  },
]
