/**
 * timeline - the events of a message in their order, each with its evidence: the words that matched, the rule, the proof, who changed what
 *
 * See also: components/marked-text, pages/messages/raw-report.
 */
import { queryValue, withQuery, pathTo } from '../../app/router.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type Child, type View } from '../../components/html.ts'
import { MarkedText } from '../../components/marked-text.ts'
import { formatMoment, Moment } from '../../components/moment.ts'
import { StatusBadge } from '../../components/status-badge.ts'
import { verdictWord } from '../../texts/verdict-texts.ts'
import { detailText, type Evidence, type MessageEvent } from './message.ts'
import { messagesTexts as t } from './messages-texts.ts'
import { RawReport } from './raw-report.ts'

/** Kind of event → its title. A kind without one is shown by its name. */
const TITLES: Readonly<Record<string, Parameters<typeof t>[0]>> = {
  request: 'kRequest',
  stub: 'kStub',
  attempt: 'kAttempt',
  failed: 'kFailed',
  delayed: 'kDelayed',
  delivered: 'kDelivered',
  complaint: 'kComplaint',
  'not-spam': 'kNotSpam',
  unsubscribe: 'kUnsubscribe',
  open: 'kOpen',
  click: 'kClick',
  'machine-clicks': 'kMachine',
  filed: 'kFiled',
  list: 'kList',
  inbox: 'kInbox',
  'gave-up': 'kGaveUp',
  reclassified: 'kReclassified',
  audit: 'kAudit',
  erased: 'kErased',
}

export const Timeline = ({ emailId, events }: { readonly emailId: string; readonly events: readonly MessageEvent[] }): View =>
  html`<ol class="timeline">
    ${events.map((event) => html`<${Entry} key=${event.id} emailId=${emailId} event=${event} />`)}
  </ol>`

function Entry({ emailId, event }: { readonly emailId: string; readonly event: MessageEvent }): View {
  const { kind, at, status, reason, evidence } = event
  const title = TITLES[kind]
  const digest = detailText(event, 'digest')
  const text = evidence === null ? (kind === 'list' ? null : detailText(event, 'text')) : null
  return html`<li class=${`kind-${status ?? 'none'}`}>
    <div class="timeline-head">
      <h3>${title === undefined ? kind : t(title, { n: Number(detailText(event, 'n') ?? 0) })}</h3>
      ${status === null ? null : html`<${StatusBadge} status=${status} />`}
      ${reason === null ? null : html`<span>${verdictWord(reason)} <span class="muted">${event.subStatus}</span></span>`}
      <span class="space"></span>
      <span class="muted small"><${Moment} at=${at} style="second" /></span>
    </div>
    ${kind === 'list' ? html`<${ListChange} event=${event} />` : null}
    ${evidence === null ? null : html`<${EvidenceBox} evidence=${evidence} />`}
    ${text === null || text === '' ? null : html`<div class="code" tabindex="0" role="group" aria-label=${t('reply')}><${ForeignText} text=${text} /></div>`}
    <${Marginalia} event=${event} />
    ${digest === null ? null : html`<${ReportToggle} emailId=${emailId} digest=${digest} />`}
    <details class="small">
      <summary class="muted">${t('raw')}</summary>
      <pre class="code" tabindex="0"><${ForeignText} text=${JSON.stringify(event.detail, null, 2)} /></pre>
    </details>
  </li>`
}

const EvidenceBox = ({ evidence: { rule, table, text, matched, provider } }: { readonly evidence: Evidence }): View =>
  html`<div class="evidence">
    <div class="code" aria-label=${t('evidence')} role="group" tabindex="0"><${MarkedText} text=${text} phrases=${matched} /></div>
    <p class="small muted">
      <a class="mono" href=${pathTo('/rules', { rule })}>${t('byRule', { rule })}</a
      >${provider === null ? null : html` · <${ForeignText} text=${provider} />`} · ${t('table', { table })}
    </p>
  </div>`

function ListChange({ event }: { readonly event: MessageEvent }): View {
  const until = detailText(event, 'until')
  const words = [
    verdictWord(detailText(event, 'list') ?? ''),
    verdictWord(`change-${detailText(event, 'action')}`),
    verdictWord(detailText(event, 'reason') ?? ''),
    until === null ? t('noEnd') : t('until2', { time: formatMoment(until) }),
  ]
  return html`<p><${ForeignText} text=${words.filter((each) => each !== '').join(' · ')} /></p>`
}

/** What else says how much a fact is worth. */
function Marginalia({ event }: { readonly event: MessageEvent }): View {
  const tie: unknown = event.detail['tie']
  const proof =
    typeof tie === 'object' && tie !== null
      ? [Reflect.get(tie, 'proof'), Reflect.get(tie, 'via')].filter((each) => typeof each === 'string').join(' · ')
      : null
  const rows: readonly (readonly [string, string | null])[] = [
    [t('trust'), proof],
    [t('code'), detailText(event, 'code')],
    [t('mx'), detailText(event, 'mx') ?? detailText(event, 'remoteMta')],
    [t('egressIpShort'), detailText(event, 'egressIp') ?? detailText(event, 'sourceIp')],
    [t('actor'), detailText(event, 'actor')],
  ]
  const shown: Child[] = rows
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => html`<span key=${name}>${name} <${ForeignText} text=${value} /></span>`)
  return shown.length === 0 ? null : html`<p class="small muted marginalia">${shown}</p>`
}

/** Which report is open stands in the URL. */
function ReportToggle({ emailId, digest }: { readonly emailId: string; readonly digest: string }): View {
  const isOpen = queryValue('report') === digest
  return html`<div>
    <a class="button small" href=${withQuery({ report: isOpen ? null : digest, view: null })} aria-expanded=${isOpen} role="button"
      >${t(isOpen ? 'hideReport' : 'report')}</a
    >
    ${isOpen ? html`<${RawReport} emailId=${emailId} digest=${digest} />` : null}
  </div>`
}
