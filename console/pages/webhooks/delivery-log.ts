/**
 * delivery-log - what was sent to an endpoint, with every answer
 */
import { api } from '../../api/client.ts'
import { toProblem } from '../../api/resource.ts'
import { usePagedList } from '../../app/page-table.ts'
import { pathTo, queryValue } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { notify } from '../../components/note.ts'
import { QuerySegments } from '../../components/segments.ts'
import { common } from '../../texts/common-texts.ts'
import { webhooksTexts as t } from './webhooks-texts.ts'

/** `GET /v1/webhooks/:id/deliveries`. */
type Delivery = {
  readonly eventId: string
  readonly event: string
  readonly emailId: string | null
  readonly state: 'waiting' | 'heard' | 'failed'
  readonly happenedAt: string
  readonly lastAt: string
  readonly tries: number
  readonly attempts: readonly { readonly at: string; readonly status: number | null; readonly millis: number; readonly answer: string }[]
}

const STATES = ['waiting', 'heard', 'failed'] as const
const STATE_TONES = { waiting: 'warn', heard: 'good', failed: 'bad' } as const
const REFRESH_MS = 10_000

export function DeliveryLog({ id, account }: { readonly id: number; readonly account: string }): View {
  const state = queryValue('state')
  const list = usePagedList(
    (after, signal) =>
      api.get<{ readonly deliveries: readonly Delivery[]; readonly next: string | null }>(`/webhooks/${id}/deliveries`, {
        query: { account, state, after, limit: 50 },
        signal,
      }),
    [id, account, state],
    { every: REFRESH_MS },
  )
  const resend = async (eventId: string): Promise<void> => {
    const { events } = await api.post<{ readonly events: number }>(`/webhooks/${id}/deliveries/${eventId}/replay`, { query: { account } })
    notify(t(events === 0 ? 'alreadyQueued' : 'replayOne'))
    list.refresh()
  }
  const choices = [{ value: '', text: t('all') }, ...STATES.map((value) => ({ value, text: t(`${value}State`) }))]
  const empty = html`<${EmptyState} title=${t(state === '' ? 'noDeliveries' : 'noDeliveriesFiltered')} />`
  return html`<section class="card">
    <header>
      <h2>${t('deliveries')}</h2>
      <${QuerySegments} label=${t('deliveryState')} name="state" options=${choices} />
    </header>
    <${DataTable}
      caption=${t('deliveries')}
      columns=${columns(resend)}
      rows=${list.value?.deliveries ?? null}
      list=${list}
      empty=${empty}
      rowKey=${({ eventId }: Delivery) => eventId}
    />
  </section>`
}

function columns(resend: (eventId: string) => Promise<void>): readonly Column<Delivery>[] {
  const actions: Column<Delivery> = {
    key: 'actions',
    title: common('actions'),
    isActions: true,
    cell: ({ eventId, event }) =>
      html`<button
        type="button"
        class="button small"
        aria-label=${`${t('replay')}: ${event}`}
        onClick=${() => void resend(eventId).catch((error: unknown) => notify(toProblem(error).message, 'bad'))}
      >
        ${t('replay')}
      </button>`,
  }
  return [
    { key: 'event', title: t('event'), isHeading: true, sortBy: ({ event }) => event, cell: ({ event }) => html`<code>${event}</code>` },
    { key: 'emailId', title: t('emailId'), isClamped: true, cell: ({ emailId }) => html`<${MessageLink} emailId=${emailId} />` },
    {
      key: 'state',
      title: t('state'),
      sortBy: ({ state }) => state,
      cell: ({ state }) => html`<${Badge} tone=${STATE_TONES[state]}>${t(`${state}State`)}</${Badge}>`,
    },
    {
      key: 'happened',
      title: t('happened'),
      sortBy: ({ happenedAt }) => happenedAt,
      cell: ({ happenedAt }) => html`<${Moment} at=${happenedAt} style="second" />`,
    },
    { key: 'tries', title: t('tries'), isNumber: true, sortBy: ({ tries }) => tries, cell: ({ tries }) => tries },
    { key: 'answers', title: t('answers'), isClamped: true, cell: ({ attempts }) => html`<${Answers} attempts=${attempts} />` },
    ...(may('operate') ? [actions] : []),
  ]
}

function MessageLink({ emailId }: Pick<Delivery, 'emailId'>): View {
  if (emailId === null) return html`<span class="muted">–</span>`
  return html`<a class="small" href=${pathTo(`/messages/${encodeURIComponent(emailId)}`)}><${ForeignText} text=${emailId} /></a>`
}

const Answers = ({ attempts }: Pick<Delivery, 'attempts'>): View =>
  html`<ul class="plain small">
    ${attempts.map(
      ({ at, status, millis, answer }) =>
        html`<li key=${at}>
          <${Moment} at=${at} relative=${true} /> · <strong>${status ?? t('noAnswer')}</strong> · ${t('ms', { n: millis })}
          ${answer === '' ? null : html` · <${ForeignText} text=${answer} />`}
        </li>`,
    )}
  </ul>`
