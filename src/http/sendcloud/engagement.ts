/**
 * engagement - SendCloud's `openandclick/list`: lists opens and clicks with time, browser and device
 *
 * The browser and the device come from the User-Agent header. The location fields are empty: we do not geolocate the IP addresses of readers.
 *
 * See also: http/services/statistics, tracking/client-reading, docs/SENDCLOUD.md.
 */
import type { EngagementRecord } from '../../store/facts/engagement.ts'
import type { StatisticsService } from '../services/statistics.ts'
import type { SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import { API_USERS, createEmailParameter, LABEL_ID, LABEL_NAME, resolveLabelIds, SENDCLOUD_PAGING, MAX_WINDOW_DAYS } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { formatTime } from './zoned-time.ts'
import { readWindow } from './window.ts'

type EngagementNeeds = { readonly statistics: Pick<StatisticsService, 'findEngagement' | 'findLabelIds'> }

const ENGAGEMENT_KINDS = { 1: 'open', 2: 'click' } as const
const TRACK_TYPES = { open: 1, click: 2 } as const

/** SendCloud has no code for an unknown type: the filter matches nothing. */
const TRACK_TYPE: Parameter<'open' | 'click' | 'none' | null> = {
  names: ['trackType'],
  missingCode: null,
  invalidCode: 40006,
  read: (text) => (text === '1' || text === '2' ? ENGAGEMENT_KINDS[text] : 'none'),
  defaultValue: null,
}

const EMAIL_PARAMETERS = { email: createEmailParameter(null) }
const FILTER_PARAMETERS = { kind: TRACK_TYPE, apiUsers: API_USERS, labelId: LABEL_ID, labelName: LABEL_NAME, ...SENDCLOUD_PAGING }

/** `openandclick/list`. */
export const listSendCloudEngagement: SendCloudOperation<EngagementNeeds> = async (context) => {
  const { parameters, caller, services, settings, now } = context
  const emailResult = readParameters(EMAIL_PARAMETERS, parameters)
  if (!emailResult.ok) return createEnvelope(emailResult.code)
  const { email } = emailResult.values
  const window = email === null ? readWindow(parameters, { maxDays: MAX_WINDOW_DAYS, zone: settings.zone, now }) : NO_WINDOW
  if (!window.ok) return createEnvelope(window.code)
  if (email === null && window.range === null) return createEnvelope(40006)
  const filterResult = readParameters(FILTER_PARAMETERS, parameters)
  if (!filterResult.ok) return createEnvelope(filterResult.code)
  const { kind, apiUsers, labelId, labelName, start, limit } = filterResult.values
  if (kind === 'none') return createEnvelope(200, { total: 0, count: 0, dataList: [] })
  const labelIds = await resolveLabelIds(context, {
    labelIds: labelId === null ? null : [labelId],
    labelNames: labelName === null ? null : [labelName],
  })
  const range = { from: window.range?.from ?? null, until: window.range?.until ?? null }
  const { rows, total } = await services.statistics.findEngagement(caller.account, {
    kind,
    email,
    ...range,
    apiUsers,
    labelIds,
    after: null,
    offset: start,
    limit,
    withTotal: true,
  })
  return createEnvelope(200, { total: total ?? 0, count: rows.length, dataList: rows.map((row) => toEngagementRow(row, settings.zone)) })
}

/** An email overrides the window. */
const NO_WINDOW = { ok: true, range: null } as const

function toEngagementRow({ fact, emailId, recipient, apiUser, requestedAt }: EngagementRecord, zone: string): object {
  const { url, ip, country, region, city, browser, browserVersion, system, systemVersion } = fact.data
  return {
    email: recipient ?? '',
    trackType: TRACK_TYPES[fact.kind],
    url: url ?? '',
    apiUser,
    currTime: formatTime(fact.at, zone),
    ip: ip ?? '',
    country: country ?? '',
    province: region ?? '',
    city: city ?? '',
    browser: `${browser ?? ''} ${browserVersion ?? ''}`.trim(),
    device: `${system ?? ''} ${systemVersion ?? ''}`.trim(),
    emailId: emailId ?? '',
    requestTime: formatTime(requestedAt, zone),
  }
}
