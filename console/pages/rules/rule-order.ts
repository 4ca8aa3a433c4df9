/**
 * rule-order - the rules in the order in which they are tried, with how often each decided
 *
 * See also: http/api/rules/rules.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { navigate, queryValue, withQuery } from '../../app/router.ts'
import { Badge } from '../../components/badge.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { html, type View } from '../../components/html.ts'
import { common } from '../../texts/common-texts.ts'
import { rulesTexts as t } from './rules-texts.ts'

type ListedRule = {
  readonly id: string
  readonly provider: string
  readonly layer: 'operator' | 'shipped'
  readonly reason: string
  readonly permanence: string | null
  readonly code: readonly (string | number)[]
  readonly status: readonly string[]
  readonly says: readonly string[]
  readonly unless: readonly string[]
  readonly hits: number
  readonly misses: number
  readonly decided: number | null
  readonly position: number
}

const DAYS = 7
/** Hundreds of rows are slow to draw, and nobody reads them at once. */
const PAGE = 50

export function RuleOrder(): View {
  const [provider, reason, only] = [queryValue('provider'), queryValue('reason'), queryValue('rule')]
  const list = useResource(async (signal) => {
    const { rules } = await api.get<{ readonly rules: readonly Omit<ListedRule, 'position'>[] }>('/rules', {
      query: { days: DAYS },
      signal,
    })
    return rules.map((rule, at): ListedRule => ({ ...rule, position: at + 1 }))
  }, [])
  const all = list.value ?? []
  const isWanted = (wanted: string, value: string): boolean => wanted === '' || wanted === value
  const rows = all.filter((rule) => isWanted(provider, rule.provider) && isWanted(reason, rule.reason) && isWanted(only, rule.id))
  const start = Math.max(0, Number(queryValue('from', '0')) || 0)
  const pageUrl = (from: number): string | null => (from < 0 || from >= rows.length ? null : withQuery({ from: from === 0 ? null : from }))
  const pages = { first: start === 0 ? null : withQuery({ from: null }), previous: pageUrl(start - PAGE), next: pageUrl(start + PAGE) }
  // Sorting must see all rows; only an unsorted list is shown in pages.
  const isSorted = queryValue('sort') !== ''
  const empty = html`<${EmptyState} title=${t('noRules')}><p><a href=${withQuery({ provider: null, reason: null, rule: null })}>${common('clear')}</a></p></${EmptyState}>`
  return html`<${RuleFilters} rules=${all} provider=${provider} reason=${reason} only=${only} />
    <${DataTable}
      caption=${t('order')}
      columns=${COLUMNS()}
      rows=${list.value === null ? null : isSorted ? rows.slice(0, 2 * PAGE) : rows.slice(start, start + PAGE)}
      rowKey=${({ id }: ListedRule) => id}
      list=${{ ...list, ...(isSorted ? {} : { pages }) }}
      empty=${empty}
    />`
}

type FilterProps = { readonly rules: readonly ListedRule[]; readonly provider: string; readonly reason: string; readonly only: string }

function RuleFilters({ rules, provider, reason, only }: FilterProps): View {
  const choices = (of: (rule: ListedRule) => string): readonly string[] => [...new Set(rules.map(of))].toSorted()
  const select = (name: 'provider' | 'reason', value: string, label: string, values: readonly string[]): View =>
    html`<div class="field">
      <label for=${`rule-${name}`}>${label}</label>
      <select
        id=${`rule-${name}`}
        onChange=${(event: Event & { currentTarget: HTMLSelectElement }) => navigate(withQuery({ [name]: event.currentTarget.value, from: null }))}
      >
        <option value="" selected=${value === ''}>${common('all')}</option>
        ${values.map((each) => html`<option key=${each} value=${each} selected=${each === value}>${each}</option>`)}
      </select>
    </div>`
  return html`<form class="filters" onSubmit=${(event: Event) => event.preventDefault()}>
    ${select(
      'provider',
      provider,
      t('filterProvider'),
      choices((rule) => rule.provider),
    )}
    ${select(
      'reason',
      reason,
      t('filterReason'),
      choices((rule) => rule.reason),
    )}
    ${only === '' ? null : html`<p><code>${only}</code> <a href=${withQuery({ view: 'order', rule: null })}>${common('clear')}</a></p>`}
  </form>`
}

const COLUMNS = (): readonly Column<ListedRule>[] => [
  { key: 'position', title: t('position'), isNumber: true, sortBy: ({ position }) => position, cell: ({ position }) => position },
  {
    key: 'id',
    title: t('id'),
    isHeading: true,
    sortBy: ({ id }) => id,
    cell: ({ id, layer, provider }) =>
      html`<div>
        <code>${id}</code> ${layer === 'operator' ? html`<${Badge} tone="accent">${t('own')}</${Badge}>` : null}<span class="sub"
          >${provider}</span
        >
      </div>`,
  },
  {
    key: 'reason',
    title: t('reason'),
    sortBy: ({ reason }) => reason,
    cell: ({ reason, permanence }) => `${reason}${permanence === null ? '' : ` · ${permanence}`}`,
  },
  { key: 'conditions', title: t('conditions'), cell: (rule) => html`<div class="small">${conditionsOf(rule)}</div>` },
  {
    key: 'decided',
    title: t('decided', { n: DAYS }),
    isNumber: true,
    sortBy: ({ decided }) => decided,
    cell: ({ decided }) => (decided === null ? '–' : decided.toLocaleString()),
  },
  { key: 'evidence', title: t('evidence'), cell: ({ hits, misses }) => t('evidenceOf', { hits, misses }) },
]

const MAX_PHRASES = 4

function conditionsOf({ code, status, says, unless }: ListedRule): string {
  const quoted = (phrases: readonly string[]): string =>
    `${phrases
      .slice(0, MAX_PHRASES)
      .map((phrase) => `“${phrase}”`)
      .join(', ')}${phrases.length > MAX_PHRASES ? ' …' : ''}`
  return [code.join(' '), status.join(' '), quoted(says), unless.length === 0 ? '' : `≠ ${quoted(unless)}`]
    .filter((part) => part !== '')
    .join(' · ')
}
