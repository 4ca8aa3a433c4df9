/**
 * throughput - messages that came in, were tried and went out, over the last hour or day
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { queryValue } from '../../app/router.ts'
import { html, type View } from '../../components/html.ts'
import { ProblemNote } from '../../components/note.ts'
import { QuerySegments } from '../../components/segments.ts'
import { TimeChart } from '../../components/time-chart.ts'
import { queueTexts as t } from './queue-texts.ts'

/** `GET /v1/queue/series`; steps without messages are left out. */
type Series = { readonly steps: readonly { readonly at: string; readonly in: number; readonly tryOut: number; readonly out: number }[] }

const STEPS = { '5s': { every: 5_000, shown: 15 * 60_000 }, '1m': { every: 60_000, shown: 24 * 3_600_000 } } as const

export function ThroughputChart({ account, domain }: { readonly account: string; readonly domain: string }): View {
  const step = queryValue('step') === '1m' ? '1m' : '5s'
  const { every, shown } = STEPS[step]
  const list = useResource(
    (signal) => api.get<Series>('/queue/series', { query: { account, domain, step }, signal }),
    [account, domain, step],
    { every },
  )
  const last = Math.floor((list.readAt ?? Date.now()) / every) * every
  const times = Array.from({ length: shown / every }, (_, at) => last - shown + (at + 1) * every)
  const found = new Map(list.value?.steps.map((each) => [Date.parse(each.at), each]))
  const valuesOf = (name: 'in' | 'tryOut' | 'out'): readonly number[] => times.map((time) => found.get(time)?.[name] ?? 0)
  const choices = [
    { value: '5s', text: t('quarter') },
    { value: '1m', text: t('day') },
  ]
  const series = [
    { colour: 'muted', label: t('in'), values: valuesOf('in') },
    { colour: 'warn', label: t('tryOut'), values: valuesOf('tryOut') },
    { colour: 'good', label: t('out'), values: valuesOf('out') },
  ]
  return html`<${TimeChart} title=${t(step === '5s' ? 'chart5s' : 'chart1m')} times=${times} series=${series} kind="lines" timeStyle=${step === '5s' ? 'second' : 'moment'}>
      <${QuerySegments} label=${t('step')} name="step" options=${choices} />
    </${TimeChart}>
    <${ProblemNote} problem=${list.problem} />`
}
