/**
 * statistics - the vendor's figures: by day, by hour, and of invalid mails by their cause
 *
 * Days and hours are those of the request, cut in the account's zone. Delivered, invalid and soft bounce are shares of what was requested;
 * open, click, spam and unsubscribe are shares of what was delivered; a share of nothing is 0. With `aggregate=1` all rows are one object.
 *
 * See also: http/sendcloud/statistics-rows (how they are read), ledger/project/counters (what counts for what), docs/SENDCLOUD.md.
 */
import type { Metric } from '../../ledger/project/state.ts'
import type { Call, Operation } from './operation.ts'
import { envelope } from './envelope.ts'
import type { VendorCode } from './envelope.ts'
import { addUp, readFigures } from './statistics-rows.ts'
import type { Dimension, Figure, FigureWish } from './statistics-rows.ts'
import { API_USERS, DOMAINS, LABEL_IDS, LABEL_NAMES, labelsAsked, WINDOW_DAYS } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { readWindow } from './window.ts'

const YES_OR_NO: ReadonlyMap<string, boolean> = new Map([
  ['0', false],
  ['1', true],
  ['false', false],
  ['true', true],
])

const AGGREGATE: Parameter<boolean> = {
  names: ['aggregate'],
  empty: null,
  invalid: 40017,
  read: (text) => YES_OR_NO.get(text.toLowerCase()) ?? null,
  absent: false,
}
const FILTERS = { apiUsers: API_USERS, labelIds: LABEL_IDS, labelNames: LABEL_NAMES }
const NO_DOMAINS: Parameter<readonly string[] | null> = { ...DOMAINS, names: [] }

/** Each is told as `<name>Num` and, as a share of `over`, `<name>Percent`. */
const COUNTED = [
  { name: 'request', metric: 'request', over: 'request' },
  { name: 'delivered', metric: 'delivered', over: 'request' },
  { name: 'click', metric: 'click', over: 'delivered' },
  { name: 'open', metric: 'open', over: 'delivered' },
  { name: 'bounce', metric: 'soft-bounce', over: 'request' },
  { name: 'spamReported', metric: 'complaint', over: 'delivered' },
  { name: 'unsubscribe', metric: 'unsubscribe', over: 'delivered' },
  { name: 'uniqueOpens', metric: 'unique-open', over: 'delivered' },
  { name: 'uniqueClicks', metric: 'unique-click', over: 'delivered' },
  { name: 'invalidEmails', metric: 'invalid', over: 'request' },
] as const satisfies readonly { readonly name: string; readonly metric: Metric; readonly over: Metric }[]

type Counts = ReadonlyMap<string, number>

/** Two digits behind the point. */
const share = (n: number, of: number): number => (of <= 0 ? 0 : Math.round((n / of) * 10_000) / 100)

function viewCounts(counts: Counts): object {
  const of = (metric: Metric): number => counts.get(metric) ?? 0
  const nums = COUNTED.map(({ name, metric }) => [`${name}Num`, of(metric)])
  const percents = COUNTED.map(({ name, metric, over }) => [`${name}Percent`, share(of(metric), of(over))])
  return Object.fromEntries([...nums, ...percents])
}

/** The causes of invalid mails, spelled by the vendor; the last takes every other. */
const CAUSES = [
  ['sendcloudBlacklist', 401],
  ['ubsubscribe', 402],
  ['espUnvaliable', 403],
  ['recipientAddressError', 404],
  ['ipOrDomainRejected', 405],
  ['recipientNotFound', 406],
  ['spamEmails', 407],
  ['senderOrRecipientRejected', 408],
] as const

function viewCauses(counts: Counts): object {
  const named = CAUSES.map(([name, subStatus]) => [name, counts.get(`invalid-${subStatus}`) ?? 0] as const)
  const rest = (counts.get('invalid') ?? 0) - named.reduce((sum, [, n]) => sum + n, 0)
  return Object.fromEntries([...named, ['others', rest]])
}

type Kind = {
  readonly metrics: readonly Metric[]
  readonly by: readonly Dimension[]
  readonly hourly: boolean
  readonly domains: Parameter<readonly string[] | null>
  readonly view: (counts: Counts) => object
}

const METRICS = COUNTED.map(({ metric }) => metric)
const BY_ALL = ['apiUser', 'labelId', 'domain'] as const
const INVALID: readonly Metric[] = ['invalid', ...CAUSES.map(([, subStatus]) => `invalid-${subStatus}` as const)]

const KINDS = {
  day: { metrics: METRICS, by: BY_ALL, hourly: false, domains: DOMAINS, view: viewCounts },
  hour: { metrics: METRICS, by: ['apiUser', 'labelId'], hourly: true, domains: NO_DOMAINS, view: viewCounts },
  invalid: { metrics: INVALID, by: BY_ALL, hourly: false, domains: DOMAINS, view: viewCauses },
} as const satisfies Record<string, Kind>

type Asked = { readonly ok: true; readonly wish: FigureWish; readonly isOne: boolean } | { readonly ok: false; readonly code: VendorCode }

async function readWish(call: Call, kind: Kind): Promise<Asked> {
  const { bag, settings, now } = call
  const window = readWindow(bag, { mostDays: WINDOW_DAYS, zone: settings.zone, now })
  if (!window.ok) return window
  if (window.span === null) return { ok: false, code: 40006 }
  const read = readParameters({ ...FILTERS, domains: kind.domains, isOne: AGGREGATE }, bag)
  if (!read.ok) return read
  const { isOne, apiUsers, domains } = read.values
  const labelIds = await labelsAsked(call, read.values)
  const { metrics, hourly } = kind
  return {
    ok: true,
    isOne,
    wish: { span: window.span, metrics, by: isOne ? [] : kind.by, hourly: hourly && !isOne, apiUsers, labelIds, domains },
  }
}

function operationOf(kind: Kind): Operation {
  return async (call) => {
    const asked = await readWish(call, kind)
    if (!asked.ok) return envelope(asked.code)
    const figures = await readFigures(call, asked.wish)
    if (figures === null) return envelope(40006)
    if (asked.isOne) return envelope(200, { dataList: kind.view(addUp(figures)) })
    const names = await call.desk.statistics.namesOfLabels(call.by.account, [...new Set(figures.map(({ labelId }) => labelId))])
    return envelope(200, { dataList: figures.map((figure) => viewRow(figure, kind, names)) })
  }
}

function viewRow(figure: Figure, kind: Kind, names: ReadonlyMap<number, string>): object {
  const { day, hour, apiUser, labelId, domain, counts } = figure
  return {
    sendDate: day,
    ...(hour === null ? {} : { sendHour: hour }),
    apiUser,
    ...(kind.by.includes('domain') ? { domain } : {}),
    labelId,
    labelName: names.get(labelId) ?? null,
    ...kind.view(counts),
  }
}

/** `statday/list`. */
export const listDays = operationOf(KINDS.day)
/** `stathour/list`: hours of the clock on the account's wall; one without mail has no row. */
export const listHours = operationOf(KINDS.hour)
/** `invalidstat/list`. */
export const listInvalid = operationOf(KINDS.invalid)
