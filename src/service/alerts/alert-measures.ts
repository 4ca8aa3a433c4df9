/**
 * alert-measures - measures the values behind the alerts, each from counters
 *
 * One function per alert, in one table. Values that concern the whole installation are measured under the account that the operator chose
 * (setting alerts.account), so that its endpoints are notified.
 *
 * See also: ledger/alert/alert-rules (the meaning of each alert), service/alerts/alerts.
 */
import type { AlertRow } from '../../ledger/alert/alert.ts'
import type { AlertMeasurement } from '../../ledger/alert/alert-state.ts'
import { ALERT_RULES, type AlertName } from '../../ledger/alert/alert-rules.ts'
import type { WatchMetric } from '../../ledger/project/watch-counts.ts'
import { QUARTER_HOUR_MS, quarterHourOf } from '../../ledger/project/state.ts'
import { listTrackingDomainsForOperator } from '../../store/account/tracking-domains.ts'
import type { CertificateState } from '../../net/certificate-folder.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { readMetadataForOperator } from '../../store/engine/metadata.ts'
import { RETIREMENT_HELD } from '../../store/facts/retention.ts'
import { listMailboxesForOperator } from '../../store/mail/mailboxes.ts'
import { listLaneSnapshotsForOperator, type LaneSnapshotRow } from '../../store/queue/lane-snapshots.ts'
import type { DiskSpace } from '../disk-space.ts'
import { listEndpointsOfAccounts } from '../../store/webhook/endpoints.ts'
import { sumWatchCountsForOperator, type WatchSum } from '../../store/facts/watch-counters.ts'

/** `from`: when the measured condition began (epoch ms), for alerts that measure a duration. */
export type TimedAlertMeasurement = AlertMeasurement & { readonly from: number | null }

/** Counters of the last day of one account. */
type MailSums = { readonly account: number; readonly sumOf: (metric: string) => number }

type MeasureContext = MeasureInput & { readonly mails: readonly MailSums[] }

type MeasureInput = {
  readonly reader: DatabaseReader
  readonly now: number
  readonly accounts: readonly number[]
  /** The account that receives the alerts of the installation. */
  readonly operator: number
  /** The stored alerts: they know when a pause began. */
  readonly rows: readonly AlertRow[]
  /** The disk of the node that measures. */
  readonly diskSpace: DiskSpace
  /** The certificates of the HTTPS listener of the node that measures. */
  readonly certificates: readonly CertificateState[]
}

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const MEBIBYTE = 1_048_576

type Measure = (input: MeasureContext) => Promise<readonly TimedAlertMeasurement[]>

const MEASURES = {
  'bounce-rate': ({ mails }) =>
    Promise.resolve(mails.map(({ account, sumOf }) => ratioOf('bounce-rate', account, bouncedCount(sumOf), requestedCount(sumOf)))),
  'complaint-rate': ({ mails }) =>
    Promise.resolve(mails.map(({ account, sumOf }) => ratioOf('complaint-rate', account, sumOf('complaint'), sumOf('delivered')))),
  'unmatched-share': (input) => counterRatio(input, 'unmatched-share', ['unmatched', 'mails']),
  'other-share': (input) => counterRatio(input, 'other-share', ['other', 'verdicts']),
  'contradicted-share': (input) => counterRatio(input, 'contradicted-share', ['contradicted', 'verdicts']),
  'lane-paused': pausedLanes,
  'tracking-domain': failingTrackingDomains,
  'webhook-failing': failingWebhooks,
  'feedback-silence': feedbackSilence,
  'disk-space': ({ diskSpace, operator }) => Promise.resolve([diskShare(diskSpace, operator)]),
  mailbox: failingMailboxes,
  certificate: (input) => Promise.resolve(lateCertificates(input)),
  'retirement-held': heldRetirement,
} as const satisfies Record<AlertName, Measure>

/** Takes all measurements. Faults: store_busy. */
export async function measureAlerts(input: MeasureInput): Promise<readonly TimedAlertMeasurement[]> {
  // The most expensive query; three measures share it.
  const mails = await mailSums(input)
  return (await Promise.all(Object.values(MEASURES).map((measure) => measure({ ...input, mails })))).flat()
}

function ratioOf(alert: AlertName, account: number, part: number, whole: number, about = ''): TimedAlertMeasurement {
  return { account, alert, about, value: whole > 0 ? part / whole : null, volume: whole, from: null }
}

/** Sums the counters of the last day by account. */
async function mailSums({ reader, now, accounts }: MeasureInput): Promise<readonly MailSums[]> {
  const from = quarterHourOf(now) - ALERT_RULES['bounce-rate'].hours * HOUR_MS
  const sql = `select c.account_id, c.metric, sum(c.n) as n from {keys} k cross join counters c
    where c.account_id = k.k1 and c.quarter >= $1 group by c.account_id, c.metric`
  const rows = await reader.inKeys(sql, { types: ['int'], rows: accounts.map((account) => [account]) }, [from])
  const sums = new Map(rows.map((row) => [`${String(row['account_id'])}/${String(row['metric'])}`, Number(row['n'])]))
  return accounts.map((account) => ({ account, sumOf: (metric) => sums.get(`${account}/${metric}`) ?? 0 }))
}

/** Recipients that our own lists suppressed: these messages were never sent. */
const suppressedCount = (sumOf: MailSums['sumOf']): number => sumOf('invalid-401') + sumOf('invalid-402')
const bouncedCount = (sumOf: MailSums['sumOf']): number => sumOf('invalid') + sumOf('soft-bounce') - suppressedCount(sumOf)
const requestedCount = (sumOf: MailSums['sumOf']): number => sumOf('request') - suppressedCount(sumOf)

async function counterRatio(
  { reader, now, operator }: MeasureInput,
  alert: 'unmatched-share' | 'other-share' | 'contradicted-share',
  [part, whole]: readonly [WatchMetric, WatchMetric],
): Promise<readonly TimedAlertMeasurement[]> {
  const sums = await sumWatchCountsForOperator(reader, [part, whole], quarterHourOf(now) - ALERT_RULES[alert].hours * HOUR_MS)
  const sumOf = (metric: WatchMetric): number => sums.filter((each) => each.metric === metric).reduce((n, each) => n + each.n, 0)
  return [ratioOf(alert, operator, sumOf(part), sumOf(whole))]
}

/** Measures enabled endpoints only. */
async function failingWebhooks({ reader, now, accounts }: MeasureInput): Promise<readonly TimedAlertMeasurement[]> {
  const from = quarterHourOf(now) - ALERT_RULES['webhook-failing'].hours * HOUR_MS
  const [endpoints, sums] = await Promise.all([
    listEndpointsOfAccounts(reader, accounts),
    sumWatchCountsForOperator(reader, ['webhook-heard', 'webhook-refused'], from),
  ])
  const counts = new Map(sums.map(({ account, metric, name, n }) => [`${account}/${metric}/${name}`, n]))
  return endpoints
    .filter(({ enabled }) => enabled)
    .map(({ account, endpointId }) => {
      const about = String(endpointId)
      const countOf = (metric: WatchMetric): number => counts.get(`${account}/${metric}/${about}`) ?? 0
      const refused = countOf('webhook-refused')
      return ratioOf('webhook-failing', account, refused, refused + countOf('webhook-heard'), about)
    })
}

/** Measures how long each tracking domain of an account has not led to this installation. */
async function failingTrackingDomains({ reader, now }: MeasureInput): Promise<readonly TimedAlertMeasurement[]> {
  return (await listTrackingDomainsForOperator(reader)).map(({ account, domain, failingSince }) => {
    const value = failingSince === null ? 0 : Math.max(0, now - failingSince) / MINUTE_MS
    return { account, alert: 'tracking-domain', about: domain, value, volume: 1, from: null }
  })
}

/** Measures how long each known feedback loop has been silent. Silence means nothing while no messages are sent. */
async function feedbackSilence({ reader, now, operator, mails }: MeasureContext): Promise<readonly TimedAlertMeasurement[]> {
  const from = quarterHourOf(now) - ALERT_RULES['feedback-silence'].hours * HOUR_MS
  const sums = await sumWatchCountsForOperator(reader, ['feedback'], from)
  const isSending = mails.some(({ sumOf }) => sumOf('request') > 0)
  const hoursOf = ({ last }: WatchSum): number => Math.max(0, now - last - QUARTER_HOUR_MS) / HOUR_MS
  return sums.map((sum) => ({
    account: operator,
    alert: 'feedback-silence',
    about: sum.name,
    value: isSending ? hoursOf(sum) : null,
    volume: sum.n,
    from: null,
  }))
}

/** The floor as a share of what is free. Without a floor, or where the free space is unknown, there is nothing to measure. */
function diskShare({ floorBytes, freeBytes }: DiskSpace, operator: number): TimedAlertMeasurement {
  const free = freeBytes()
  const value = floorBytes === 0 || free === null ? null : Math.min(1, floorBytes / Math.max(1, free))
  return { account: operator, alert: 'disk-space', about: '', value, volume: Math.round((free ?? 0) / MEBIBYTE), from: null }
}

/** Measures for how long each mailbox could not be read. */
async function failingMailboxes({ reader, now, operator }: MeasureInput): Promise<readonly TimedAlertMeasurement[]> {
  return (await listMailboxesForOperator(reader)).map(({ name, failingSince }) => {
    const value = failingSince === null ? 0 : Math.max(0, now - failingSince) / MINUTE_MS
    return { account: operator, alert: 'mailbox', about: name, value, volume: 1, from: null }
  })
}

/** Two weeks before its end, a certificate is renewed unless something is wrong. */
const CERTIFICATE_NOTICE_MS = 14 * 24 * HOUR_MS

/** Measures for how long each certificate has been due for replacement. */
const lateCertificates = ({ certificates, now, operator }: MeasureInput): readonly TimedAlertMeasurement[] =>
  certificates.map(({ name, expiresAt, problem }) => {
    const dueAt = Math.min(expiresAt - CERTIFICATE_NOTICE_MS, problem?.since ?? Infinity)
    return { account: operator, alert: 'certificate', about: name, value: Math.max(0, now - dueAt) / HOUR_MS, volume: 1, from: null }
  })

/** Measures how far the clock is ahead of the newest mail while retention holds for that reason. */
async function heldRetirement({ reader, now, operator }: MeasureInput): Promise<readonly TimedAlertMeasurement[]> {
  const newest = await readMetadataForOperator(reader, RETIREMENT_HELD)
  const value = newest === null ? 0 : Math.max(0, now - Number(newest)) / HOUR_MS
  return [{ account: operator, alert: 'retirement-held', about: '', value, volume: newest === null ? 0 : 1, from: null }]
}

const LANES_PAGE_SIZE = 1_000

/** Measures paused lanes, grouped by their blocking key: a thousand domains behind one paused IP address make one alert. */
async function pausedLanes({ reader, now, rows }: MeasureInput): Promise<readonly TimedAlertMeasurement[]> {
  const found: LaneSnapshotRow[] = []
  for (let hasMore = true; hasMore;) {
    const page = await listLaneSnapshotsForOperator(reader, { domain: null, after: found.at(-1) ?? null, limit: LANES_PAGE_SIZE })
    found.push(...page)
    hasMore = page.length === LANES_PAGE_SIZE
  }
  const stopped = found.filter(({ status }) => status.isStopped && status.waiting > 0)
  const startOf = new Map(rows.flatMap((row) => (row.alert === 'lane-paused' ? [[`${row.account}/${row.about}`, row.data.from]] : [])))
  const groups = Map.groupBy(stopped, ({ account, domain, status }) => `${account}/${status.key ?? domain}`)
  return [...groups].flatMap(([name, [first, ...others]]) => {
    if (first === undefined) return []
    const from = startOf.get(name) ?? now
    const volume = [first, ...others].reduce((sum, { status }) => sum + status.waiting, 0)
    const about = first.status.key ?? first.domain
    return [{ account: first.account, alert: 'lane-paused', about, value: (now - from) / MINUTE_MS, volume, from }]
  })
}
