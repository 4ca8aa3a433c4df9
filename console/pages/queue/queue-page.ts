/**
 * queue-page - the delivery queue: throughput, lanes with state, reason and next sending time, and what a person does to them
 *
 * See also: docs/QUEUE.md.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { usePagedList } from '../../app/page-table.ts'
import { chosenAccount, navigate, queryValue, withQuery } from '../../app/router.ts'
import { isOperator, may } from '../../app/session.ts'
import { DataTable } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { html, type View } from '../../components/html.ts'
import { formatMoment } from '../../components/moment.ts'
import { Note } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { RowMenu } from '../../components/row-menu.ts'
import { QuerySegments } from '../../components/segments.ts'
import { common } from '../../texts/common-texts.ts'
import { LabelDialog } from './label-dialog.ts'
import { WINDOWS, type LaneTarget, type QueueLane } from './lane.ts'
import { DeleteDialog, PauseDialog, RateDialog, RecoverAllDialog, WarmUpDialog } from './lane-dialogs.ts'
import { laneColumns } from './lane-table.ts'
import { queueTexts as t } from './queue-texts.ts'
import { ThroughputChart } from './throughput.ts'

/** `GET /v1/queue`. */
type Lanes = {
  readonly delivering: boolean
  readonly seenAt: string | null
  readonly lanes: readonly QueueLane[]
  readonly next: string | null
}

type Open = { readonly dialog: keyof typeof DIALOGS; readonly target: LaneTarget } | { readonly dialog: 'warm-up' }

const DIALOGS = { pause: PauseDialog, rate: RateDialog, delete: DeleteDialog, label: LabelDialog, recover: RecoverAllDialog } as const
const REFRESH_MS = 5_000

export function QueuePage(): View {
  const account = chosenAccount.value
  const domain = queryValue('domain')
  const list = usePagedList(
    (after, signal) => api.get<Lanes>('/queue', { query: { account, domain, after, limit: 50 }, signal }),
    [account, domain],
    { every: REFRESH_MS },
  )
  const [open, setOpen] = useState<Open | null>(null)
  const close = (): void => {
    setOpen(null)
    list.refresh()
  }
  const chosenWindow = queryValue('window', '5')
  const columns = laneColumns(WINDOWS.find((each) => each === chosenWindow) ?? '5', isOperator.value && account === '', {
    accountOf: (lane) => lane.account ?? account,
    open: (dialog, lane) => setOpen({ dialog, target: { account: lane.account ?? account, domain: lane.domain, waiting: lane.waiting } }),
    refresh: list.refresh,
  })
  const empty = html`<${EmptyState} title=${t(domain === '' ? 'empty' : 'emptyFiltered')}>
    <p>${domain === '' ? t('emptyHelp') : html`<a href=${withQuery({ domain: null })}>${common('clear')}</a>`}</p>
  </${EmptyState}>`
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}><${Orders} account=${account} onOpen=${setOpen} /></${PageHead}>
    <${DeliveryNote} list=${list.value} />
    <${ThroughputChart} account=${account} domain=${domain} />
    <${LaneFilters} domain=${domain} />
    <${DataTable} caption=${t('title')} columns=${columns} rows=${list.value?.lanes ?? null} list=${list} empty=${empty}
      rowKey=${({ account: owner, domain: name }: QueueLane) => `${owner ?? ''}/${name}`} />
    ${open === null ? null : open.dialog === 'warm-up' ? html`<${WarmUpDialog} onClose=${close} />` : html`<${DIALOGS[open.dialog]} target=${open.target} onClose=${close} />`}`
}

/** What concerns more than a lane: all domains or one label of an account, and the egress IPs of the installation. */
function Orders({ account, onOpen }: { readonly account: string; readonly onOpen: (open: Open) => void }): View {
  if (!may('operate')) return null
  const target = { account, domain: null, waiting: 0 }
  const ofAccount = (['pause', 'recover', 'label'] as const).map((dialog) => ({
    text: t(ORDER_TEXTS[dialog]),
    run: async () => onOpen({ dialog, target }),
  }))
  const items = [
    ...(account !== '' || !isOperator.value ? ofAccount : []),
    ...(isOperator.value ? [{ text: t('warmUp'), run: async () => onOpen({ dialog: 'warm-up' }) }] : []),
  ]
  return html`<${RowMenu} label=${common('actions')} items=${items} onProblem=${() => undefined} />`
}

const ORDER_TEXTS = { pause: 'pauseAll', recover: 'recoverAll', label: 'oneLabel' } as const

function DeliveryNote({ list }: { readonly list: Lanes | null }): View | null {
  if (list === null || list.delivering) return null
  const text = list.seenAt === null ? t('neverDelivered') : t('notDelivering', { at: formatMoment(list.seenAt, 'second') })
  return html`<${Note} tone="warn">${text}</${Note}>`
}

function LaneFilters({ domain }: { readonly domain: string }): View {
  const onSubmit = (event: SubmitEvent & { currentTarget: HTMLFormElement }): void => {
    event.preventDefault()
    const typed = new FormData(event.currentTarget).get('domain')
    navigate(withQuery({ domain: typeof typed === 'string' ? typed.trim() : null }))
  }
  const windows = WINDOWS.map((value) => ({ value, text: t('seconds', { n: Number(value) }) }))
  return html`<form class="filters" onSubmit=${onSubmit}>
    <div class="field wide">
      <label for="queue-domain">${t('domainFilter')}</label>
      <input id="queue-domain" name="domain" type="search" value=${domain} key=${domain} autocomplete="off" />
    </div>
    <div class="buttons"><button class="button">${common('search')}</button></div>
    <div class="field wide">
      <span class="small muted">${t('window')}</span><${QuerySegments} label=${t('window')} name="window" options=${windows} />
    </div>
  </form>`
}
