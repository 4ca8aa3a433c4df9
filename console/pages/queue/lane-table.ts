/**
 * lane-table - the columns of the lanes: state, reason with the provider's words, what waits, rates, and what can be done
 */
import { toProblem } from '../../api/resource.ts'
import { language } from '../../app/preferences.ts'
import { isOperator, may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import type { Column } from '../../components/data-table.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type Child, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { notify } from '../../components/note.ts'
import { RowMenu } from '../../components/row-menu.ts'
import { common } from '../../texts/common-texts.ts'
import { rateOf, type QueueLane, type Window } from './lane.ts'
import { sendCommand } from './lane-dialogs.ts'
import { queueTexts as t } from './queue-texts.ts'

const STATE_TONES = {
  active: 'good',
  throttled: 'warn',
  paused: 'bad',
  probing: 'accent',
  recovering: 'accent',
  manual: 'plain',
  limited: 'warn',
} as const

export type LaneDialog = 'pause' | 'rate' | 'delete'

type LaneTools = {
  /** The account of a reader who sees one; that of a lane otherwise. */
  readonly accountOf: (lane: QueueLane) => string
  readonly open: (dialog: LaneDialog, lane: QueueLane) => void
  readonly refresh: () => void
}

export function laneColumns(window: Window, showsAccount: boolean, tools: LaneTools): readonly Column<QueueLane>[] {
  return [...whatColumns(showsAccount), ...howMuchColumns(window), ...whenColumns(tools)]
}

function whatColumns(showsAccount: boolean): readonly Column<QueueLane>[] {
  const account: Column<QueueLane> = {
    key: 'account',
    title: t('account'),
    sortBy: (lane) => lane.account,
    cell: (lane) => html`<${ForeignText} text=${lane.account} />`,
  }
  return [
    {
      key: 'domain',
      title: t('domain'),
      isHeading: true,
      sortBy: ({ domain }) => domain,
      cell: ({ domain }) => html`<${ForeignText} text=${domain} />`,
    },
    ...(showsAccount ? [account] : []),
    {
      key: 'state',
      title: t('state'),
      sortBy: ({ state }) => state,
      cell: ({ state }) => html`<${Badge} tone=${STATE_TONES[state]}>${t(state)}</${Badge}>`,
    },
    { key: 'reason', title: t('reason'), sortBy: ({ reason }) => reason, cell: (lane) => html`<${Reason} lane=${lane} />` },
  ]
}

function howMuchColumns(window: Window): readonly Column<QueueLane>[] {
  const numeric = (key: 'waiting' | 'inFlight' | 'in' | 'tryOut' | 'out', valueOf: (lane: QueueLane) => number): Column<QueueLane> => ({
    key,
    title: t(key),
    isNumber: true,
    sortBy: valueOf,
    cell: (lane) => valueOf(lane).toLocaleString(language.value, { maximumFractionDigits: 2 }),
  })
  return [
    numeric('waiting', ({ waiting }) => waiting),
    numeric('inFlight', ({ inFlight }) => inFlight),
    numeric('in', ({ rates }) => rateOf(rates.in, window)),
    numeric('tryOut', ({ rates }) => rateOf(rates.tryOut, window)),
    numeric('out', ({ rates }) => rateOf(rates.out, window)),
  ]
}

function whenColumns(tools: LaneTools): readonly Column<QueueLane>[] {
  const actions: Column<QueueLane> = {
    key: 'actions',
    title: common('actions'),
    isActions: true,
    cell: (lane) => html`<${LaneActions} lane=${lane} tools=${tools} />`,
  }
  return [
    { key: 'next', title: t('next'), sortBy: ({ nextSendingAt }) => nextSendingAt, cell: nextSending },
    {
      key: 'limit',
      title: t('limit'),
      isNumber: true,
      sortBy: ({ perMinute }) => perMinute,
      cell: ({ perMinute: n }) => (n === null ? '–' : t('perMinute', { n })),
    },
    ...(may('operate') ? [actions] : []),
  ]
}

function nextSending({ nextSendingAt, stopped, waiting }: QueueLane): Child {
  if (nextSendingAt !== null) return html`<${Moment} at=${nextSendingAt} relative=${true} />`
  return stopped ? t('onReply') : waiting === 0 ? '–' : t('now')
}

function Reason({ lane: { reason, key, class: name, evidence } }: { readonly lane: QueueLane }): View {
  if (reason === null && key === null && evidence.length === 0) return html`<span class="muted">–</span>`
  return html`<div>${reason}</div>
    ${key === null ? null : html`<div class="small muted">${t('key')} <code>${key}</code>${name === null ? null : html` · ${name}`}</div>`}
    ${
      evidence.length === 0
        ? null
        : html`<details class="small">
            <summary>${t('said', { n: evidence.length })}</summary>
            <ul class="plain">
              ${evidence.map(
                ({ at, code, text }) =>
                  html`<li key=${at}>
                    <${Moment} at=${at} style="second" /> ${code === null ? null : html`<strong>${code}</strong>`}
                    <${ForeignText} text=${text} />
                  </li>`,
              )}
            </ul>
          </details>`
    }`
}

function LaneActions({ lane, tools: { accountOf, open, refresh } }: { readonly lane: QueueLane; readonly tools: LaneTools }): View {
  const account = accountOf(lane)
  const { domain, key, waiting } = lane
  const recover = (how: 'immediate' | 'probe') => async (): Promise<void> => {
    await sendCommand('recover', { account, body: { domain, how } })
    refresh()
  }
  const recoverKey = async (): Promise<void> => {
    await sendCommand('recover-key', { account: '', body: { key, how: 'probe' } })
    refresh()
  }
  const show = (dialog: LaneDialog) => (): Promise<void> => Promise.resolve(open(dialog, lane))
  const items = [
    { text: t('recover'), run: recover('immediate') },
    { text: t('probe'), run: recover('probe') },
    ...(isOperator.value && key !== null ? [{ text: t('recoverKey', { key }), run: recoverKey }] : []),
    { text: t('pause'), run: show('pause') },
    { text: t('rate'), run: show('rate') },
    ...(waiting === 0 ? [] : [{ text: t('remove'), isDanger: true, run: show('delete') }]),
  ]
  return html`<${RowMenu}
    label=${`${common('actions')}: ${domain}`}
    items=${items}
    onProblem=${(error: unknown) => notify(toProblem(error).message, 'bad')}
  />`
}
