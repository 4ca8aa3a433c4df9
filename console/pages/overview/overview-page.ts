/**
 * overview-page - counts with the period before, charts, receiving sites, accounts, reasons, alerts, and what waits where
 *
 * See also: pages/overview/counts (what it reads), pages/overview/side-cards.
 */
import { formatShare } from '../../components/number.ts'
import { html, type View } from '../../components/html.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ProblemNote } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { QuerySegments } from '../../components/segments.ts'
import { TimeChart } from '../../components/time-chart.ts'
import { language } from '../../app/preferences.ts'
import { pathTo } from '../../app/router.ts'
import { useGroups, useStatistics, type Counts, type Statistics } from './counts.ts'
import { GroupCard } from './group-card.ts'
import { overviewTexts as t } from './overview-texts.ts'
import { AlertCard, GlanceCard, ReasonCard } from './side-cards.ts'

export function OverviewPage(): View {
  const statistics = useStatistics()
  const [sites, byAccount] = [useGroups('site'), useGroups('account')]
  const { value, problem, refresh } = statistics
  const periods = (['day', 'week', 'month', 'quarter'] as const).map((name) => ({ value: name, text: t(name) }))
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}>
      <${QuerySegments} label=${t('period')} name="period" options=${periods} />
    </${PageHead}>
    <${ProblemNote} problem=${problem} onRetry=${refresh} />
    <${Figures} value=${value} />
    ${value === null ? html`<div class="card chart-place"></div>` : html`<${Charts} value=${value} />`}
    <div class="columns">
      <${GroupCard} title=${t('sites')} head=${t('site')} groups=${sites.value} linkOf=${(name: string) => pathTo('/messages', { domain: name })} />
      ${byAccount.value === null ? null : html`<${GroupCard} title=${t('accounts')} head=${t('account')} groups=${byAccount.value} linkOf=${(name: string) => pathTo('/', { account: name })} />`}
      <${ReasonCard} rows=${value?.subStatuses ?? []} />
      <${AlertCard} />
      <${GlanceCard} />
    </div>`
}

type Figure = {
  readonly key: 'request' | 'delivered' | 'invalid' | 'softBounce' | 'complaint' | 'unsubscribe' | 'open' | 'click'
  readonly count: keyof Counts
  readonly of: keyof Counts
  readonly isGood: boolean
}

/** `of`: what its share is of. */
const FIGURES: readonly Figure[] = [
  { key: 'request', count: 'request', of: 'request', isGood: true },
  { key: 'delivered', count: 'delivered', of: 'request', isGood: true },
  { key: 'invalid', count: 'invalid', of: 'request', isGood: false },
  { key: 'softBounce', count: 'softBounce', of: 'request', isGood: false },
  { key: 'complaint', count: 'complaint', of: 'delivered', isGood: false },
  { key: 'unsubscribe', count: 'unsubscribe', of: 'delivered', isGood: false },
  { key: 'open', count: 'uniqueOpen', of: 'delivered', isGood: true },
  { key: 'click', count: 'uniqueClick', of: 'delivered', isGood: true },
]

const Figures = ({ value }: { readonly value: Statistics | null }): View =>
  html`<dl class="figures">
    ${FIGURES.map(({ key, count, of }) => {
      const [now, before] = [value?.total[count] ?? null, value?.before[count] ?? null]
      const share = value === null || key === 'request' ? null : formatShare(value.total[count], value.total[of])
      return html`<div key=${key} class="figure">
        <dt>${t(key)}</dt>
        <dd>
          <span class="big">${now === null ? '–' : now.toLocaleString(language.value)}</span
          >${share === null ? null : html` <span class="share">${share}</span>`}
          <span class="before">${before === null ? ' ' : t('before', { text: before.toLocaleString(language.value) })}</span>
        </dd>
      </div>`
    })}
  </dl>`

function Charts({ value }: { readonly value: Statistics }): View {
  const { steps, step, total } = value
  if (total.request === 0)
    return html`<section class="card"><${EmptyState} title=${t('empty')}><p>${t('emptyHelp')}</p></${EmptyState}></section>`
  const times = steps.map(({ at }) => Date.parse(at))
  const of = (pick: (counts: Counts) => number): readonly number[] => steps.map(({ counts }) => pick(counts))
  const timeStyle = step === 'day' ? 'day' : 'moment'
  const waitingOf = (counts: Counts): number => Math.max(0, counts.request - counts.delivered - counts.invalid - counts.softBounce)
  return html`<div class="columns">
    <${TimeChart}
      title=${t('outcome')}
      times=${times}
      timeStyle=${timeStyle}
      series=${[
        { colour: 'good', label: t('delivered'), values: of(({ delivered }) => delivered) },
        { colour: 'warn', label: t('softBounce'), values: of(({ softBounce }) => softBounce) },
        { colour: 'bad', label: t('invalid'), values: of(({ invalid }) => invalid) },
        { colour: 'muted', label: t('waiting'), values: of(waitingOf) },
      ]}
    />
    <${TimeChart}
      title=${t('reactions')}
      times=${times}
      timeStyle=${timeStyle}
      series=${[
        { colour: 'accent', label: t('open'), values: of(({ uniqueOpen }) => uniqueOpen) },
        { colour: 'violet', label: t('click'), values: of(({ uniqueClick }) => uniqueClick) },
        { colour: 'warn', label: t('unsubscribe'), values: of(({ unsubscribe }) => unsubscribe) },
        { colour: 'bad', label: t('complaint'), values: of(({ complaint }) => complaint) },
      ]}
    />
  </div>`
}
