/**
 * engagement - openandclick/list: who opened or clicked which mail, when and with what
 *
 * The browser and the device are what the User-Agent says. A place is empty: we look none up, since an address of a reader is nobody
 * else's business.
 *
 * See also: store/facts/engagement, webhook/user-agent, docs/SENDCLOUD.md.
 */
import { readUserAgent } from '../../webhook/user-agent.ts'
import type { Engagement } from '../../store/facts/engagement.ts'
import type { Operation } from './operation.ts'
import { envelope } from './envelope.ts'
import { API_USERS, emailRow, LABEL_ID, LABEL_NAME, labelsAsked, PAGING, WINDOW_DAYS } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { formatTime } from './zoned-time.ts'
import { readWindow } from './window.ts'

const KINDS = { 1: 'open', 2: 'click' } as const
const TYPES = { open: 1, click: 2 } as const

/** The vendor has no code for a type that there is not: such a filter finds nothing. */
const TRACK_TYPE: Parameter<'open' | 'click' | 'none' | null> = {
  names: ['trackType'],
  empty: null,
  invalid: 40006,
  read: (text) => (text === '1' || text === '2' ? KINDS[text] : 'none'),
  absent: null,
}

const FIRST = { email: emailRow(null) }
const REST = { kind: TRACK_TYPE, apiUsers: API_USERS, labelId: LABEL_ID, labelName: LABEL_NAME, ...PAGING }

/** `openandclick/list`. */
export const listEngagement: Operation = async (call) => {
  const { bag, by, desk, settings, now } = call
  const named = readParameters(FIRST, bag)
  if (!named.ok) return envelope(named.code)
  const { email } = named.values
  const window = email === null ? readWindow(bag, { mostDays: WINDOW_DAYS, zone: settings.zone, now }) : NO_WINDOW
  if (!window.ok) return envelope(window.code)
  if (email === null && window.span === null) return envelope(40006)
  const rest = readParameters(REST, bag)
  if (!rest.ok) return envelope(rest.code)
  const { kind, apiUsers, labelId, labelName, start, limit } = rest.values
  if (kind === 'none') return envelope(200, { total: 0, count: 0, dataList: [] })
  const labelIds = await labelsAsked(call, {
    labelIds: labelId === null ? null : [labelId],
    labelNames: labelName === null ? null : [labelName],
  })
  const span = { from: window.span?.from ?? null, until: window.span?.until ?? null }
  const { rows, total } = await desk.statistics.engagement(by.account, {
    kind,
    email,
    ...span,
    apiUsers,
    labelIds,
    offset: start,
    limit,
  })
  return envelope(200, { total, count: rows.length, dataList: rows.map((row) => view(row, settings.zone)) })
}

/** The window does not count beside an email. */
const NO_WINDOW = { ok: true, span: null } as const

function view({ fact, emailId, recipient, apiUser, requestedAt }: Engagement, zone: string): object {
  const { url, ip, userAgent } = fact.data
  const { explorerName, explorerVer, oSName, oSVer } = readUserAgent(userAgent ?? '')
  return {
    email: recipient ?? '',
    trackType: TYPES[fact.kind],
    url: url ?? '',
    apiUser,
    currTime: formatTime(fact.at, zone),
    ip: ip ?? '',
    country: '',
    province: '',
    city: '',
    browser: `${explorerName} ${explorerVer}`.trim(),
    device: `${oSName} ${oSVer}`.trim(),
    emailId: emailId ?? '',
    requestTime: formatTime(requestedAt, zone),
  }
}
