/**
 * other-replies - the replies that no rule knows, the most frequent first, each a click away from a rule
 *
 * See also: http/api/rules/rule-workbench.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount, pathTo, queryValue } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { Note } from '../../components/note.ts'
import { formatShare } from '../../components/number.ts'
import { QuerySegments } from '../../components/segments.ts'
import { rulesTexts as t } from './rules-texts.ts'

type ReplyGroup = {
  readonly shape: string
  readonly n: number
  readonly lastAt: string
  readonly sites: readonly string[]
  readonly samples: readonly { readonly text: string; readonly domain: string }[]
}

/** `GET /v1/rules/other`. */
type Other = {
  readonly verdicts: number
  readonly other: number
  readonly read: number
  readonly complete: boolean
  readonly groups: readonly ReplyGroup[]
}

export function OtherReplies(): View {
  const [days, apiUser] = [queryValue('days', '7'), chosenAccount.value]
  const list = useResource((signal) => api.get<Other>('/rules/other', { query: { days, apiUser }, signal }), [days, apiUser])
  const { value } = list
  const options = [
    { value: '7', text: t('week') },
    { value: '1', text: t('day') },
    { value: '30', text: t('month') },
  ]
  return html`<div class="columns">
      <section class="card">
        <header>
          <h2>${t('share')}</h2>
          <${QuerySegments} label=${t('days')} name="days" options=${options} />
        </header>
        <p>
          <strong>${value === null ? '–' : formatShare(value.other, value.verdicts)}</strong>${' '}<span class="muted"
            >${value === null ? '' : t('shareText', { other: value.other, verdicts: value.verdicts })}</span
          >
        </p>
      </section>
    </div>
    ${value !== null && !value.complete ? html`<${Note} tone="warn">${t('incomplete', { n: value.read })}</${Note}>` : null}
    <${DataTable}
      caption=${t('other')}
      columns=${COLUMNS()}
      rows=${value?.groups ?? null}
      rowKey=${({ shape }: ReplyGroup) => shape}
      list=${list}
      empty=${html`<${EmptyState} title=${t('noOther')}><p>${t('noOtherHelp')}</p></${EmptyState}>`}
    />`
}

const COLUMNS = (): readonly Column<ReplyGroup>[] => [
  {
    key: 'shape',
    title: t('shape'),
    isHeading: true,
    sortBy: ({ shape }) => shape,
    cell: ({ shape, samples }) =>
      html`<div>
        <${ForeignText} text=${shape} /><span class="sub">${t('sample')} <${ForeignText} text=${samples[0]?.text} /></span>
      </div>`,
  },
  { key: 'n', title: t('count'), isNumber: true, sortBy: ({ n }) => n, cell: ({ n }) => n.toLocaleString() },
  { key: 'sites', title: t('sites'), cell: ({ sites }) => html`<${ForeignText} text=${sites.join(', ')} />` },
  { key: 'lastAt', title: t('lastAt'), sortBy: ({ lastAt }) => lastAt, cell: ({ lastAt }) => html`<${Moment} at=${lastAt} />` },
  ...(may('operate')
    ? [
        {
          key: 'actions',
          title: t('makeRule'),
          isActions: true,
          cell: ({ samples, shape }: ReplyGroup) =>
            html`<a class="button small" href=${pathTo('/rules/draft', { reply: (samples[0]?.text ?? shape).slice(0, 400) })}
              >${t('makeRule')}</a
            >`,
        },
      ]
    : []),
]
