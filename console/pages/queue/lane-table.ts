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
import { formatMoment, Moment } from '../../components/moment.ts'
import { notify } from '../../components/note.ts'
import { RowMenu } from '../../components/row-menu.ts'
import { common } from '../../texts/common-texts.ts'
import { laneTexts } from '../../texts/lane-texts.ts'
import { LabelName, labelName } from './label-names.ts'
import { rateOf, type LabelHold, type QueueLane, type Window } from './lane.ts'
import { sendCommand } from './lane-command.ts'
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

type LaneDialog = 'pause' | 'rate' | 'delete' | 'label'

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
  return [
    {
      key: 'domain',
      title: t('domain'),
      isHeading: true,
      isClamped: true,
      sortBy: ({ domain }) => domain,
      cell: ({ domain, account }) =>
        html`<${ForeignText} text=${domain} />${showsAccount ? html`<span class="sub"><${ForeignText} text=${account} /></span>` : null}`,
    },
    {
      key: 'state',
      title: t('state'),
      sortBy: ({ state }) => state,
      cell: (lane) => html`<${Badge} tone=${STATE_TONES[lane.state]}>${t(lane.state)}</${Badge}><${Limit} lane=${lane} />`,
    },
    { key: 'reason', title: t('reason'), sortBy: ({ reason }) => reason, cell: (lane) => html`<${Reason} lane=${lane} />` },
  ]
}

/** The rate that a person set, and the one in force if it is another. */
function Limit({ lane: { perMinute, perMinuteInForce, stopped } }: { readonly lane: QueueLane }): View {
  const inForce = stopped || perMinuteInForce === perMinute ? null : perMinuteInForce
  return html`${perMinute === null ? null : html`<span class="sub nowrap">${t('limitSet', { n: perMinute })}</span>`}
  ${inForce === null ? null : html`<span class="sub nowrap">${t('limitInForce', { n: inForce })}</span>`}`
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
    ...(may('operate') ? [actions] : []),
  ]
}

function nextSending({ nextSendingAt, stopped, waiting }: QueueLane): Child {
  if (nextSendingAt !== null) return html`<${Moment} at=${nextSendingAt} relative=${true} />`
  return stopped ? t('onReply') : waiting === 0 ? '–' : t('now')
}

function Reason({ lane }: { readonly lane: QueueLane }): View {
  const { reason, key, class: name, evidence, pausedLabels } = lane
  if (reason === null && key === null && evidence.length === 0 && pausedLabels.length === 0) return html`<span class="muted">–</span>`
  return html`<div class="why">${reason === null ? null : laneTexts.word(reason)}</div>
    ${key === null ? null : html`<div class="small muted">${t('key')} <code class="any-break">${key}</code>${name === null ? null : html` · ${name}`}</div>`}
    ${pausedLabels.map((paused) => html`<div key=${paused.key} class="small"><${LabelPause} lane=${lane} paused=${paused} /></div>`)}
    <${Evidence} evidence=${evidence} />`
}

const LabelPause = ({ lane, paused: { label, until, waiting } }: { readonly lane: QueueLane; readonly paused: LabelHold }): View =>
  html`${t('pausedLabel', { time: formatMoment(until), n: waiting })} <${LabelName} account=${lane.account} label=${label} />`

function Evidence({ evidence }: Pick<QueueLane, 'evidence'>): View {
  if (evidence.length === 0) return null
  return html`<details class="small">
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
}

function LaneActions({ lane, tools: { accountOf, open, refresh } }: { readonly lane: QueueLane; readonly tools: LaneTools }): View {
  const account = accountOf(lane)
  const { domain, key, waiting, pausedLabels } = lane
  const send =
    (path: string, body: object, of = account) =>
    async (): Promise<void> => {
      await sendCommand(path, { account: of, body })
      refresh()
    }
  const show = (dialog: LaneDialog) => (): Promise<void> => Promise.resolve(open(dialog, lane))
  const items = [
    { text: t('recover'), run: send('recover', { domain, how: 'immediate' }) },
    { text: t('probe'), run: send('recover', { domain, how: 'probe' }) },
    ...(isOperator.value && key !== null ? [{ text: t('recoverKey', { key }), run: send('recover-key', { key, how: 'probe' }, '') }] : []),
    ...pausedLabels.map(({ label }) => ({
      text: t('recoverOneLabel', { name: labelName(lane.account, label) }),
      run: send('recover', { domain, label }),
    })),
    { text: t('pause'), run: show('pause') },
    { text: t('rate'), run: show('rate') },
    { text: t('oneLabel'), run: show('label') },
    ...(waiting === 0 ? [] : [{ text: t('remove'), isDanger: true, run: show('delete') }]),
  ]
  return html`<${RowMenu}
    label=${`${common('actions')}: ${domain}`}
    items=${items}
    onProblem=${(error: unknown) => notify(toProblem(error).message, 'bad')}
  />`
}
