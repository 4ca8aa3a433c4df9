/**
 * alert-measures - the figures behind the alerts, each read from counters
 *
 * One function an alert, all in one table. What is about the installation is measured under the account that its operator has named
 * (alerts.account), so that its endpoints hear of it.
 *
 * See also: ledger/alert/alert-rules (what each means), service/alerts/alerts.
 */
import type { AlertMeasurement, AlertRow } from '../../ledger/alert/alert.ts'
import { ALERT_RULES, type AlertName } from '../../ledger/alert/alert-rules.ts'
import type { WatchMetric } from '../../ledger/project/watch-counts.ts'
import { QUARTER_HOUR_MS, quarterHourOf } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { listLaneSnapshotsForOperator, type LaneSnapshotRow } from '../../store/queue/lane-snapshots.ts'
import { listEndpointsOfAccounts } from '../../store/webhook/endpoints.ts'
import { sumWatchCountsForOperator, type WatchSum } from '../../store/facts/watch-counters.ts'

/** `from`: since when what is measured in minutes lasts. */
export type TimedAlertMeasurement = AlertMeasurement & { readonly from: number | null }

/** Mails of the last day: sums of an account by metric. */
type MailSums = { readonly account: number; readonly of: (metric: string) => number }

type MeasureContext = MeasureInput & { readonly mails: readonly MailSums[] }

export type MeasureInput = {
  readonly reader: DatabaseReader
  readonly now: number
  readonly accounts: readonly number[]
  /** Whose the installation's alerts are. */
  readonly operator: number
  /** As they stand, for what has no beginning of its own. */
  readonly rows: readonly AlertRow[]
}

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

type Measure = (input: MeasureContext) => Promise<readonly TimedAlertMeasurement[]>

const MEASURES = {
  'bounce-rate': ({ mails }) =>
    Promise.resolve(mails.map(({ account, of }) => ratioOf('bounce-rate', account, bouncedCount(of), requestedCount(of)))),
  'complaint-rate': ({ mails }) =>
    Promise.resolve(mails.map(({ account, of }) => ratioOf('complaint-rate', account, of('complaint'), of('delivered')))),
  'unmatched-share': (input) => counterRatio(input, 'unmatched-share', ['unmatched', 'mails']),
  'other-share': (input) => counterRatio(input, 'other-share', ['other', 'verdicts']),
  'lane-paused': pausedLanes,
  'webhook-failing': failingWebhooks,
  'feedback-silence': feedbackSilence,
} as const satisfies Record<AlertName, Measure>

/** All figures of now. */
export async function measureAlerts(input: MeasureInput): Promise<readonly TimedAlertMeasurement[]> {
  // The dearest question, and three ask it.
  const mails = await mailSums(input)
  return (await Promise.all(Object.values(MEASURES).map((measure) => measure({ ...input, mails })))).flat()
}

function ratioOf(alert: AlertName, account: number, part: number, whole: number, about = ''): TimedAlertMeasurement {
  return { account, alert, about, value: whole > 0 ? part / whole : null, volume: whole, from: null }
}

/** Mails of the last day by account. */
async function mailSums({ reader, now, accounts }: MeasureInput): Promise<readonly MailSums[]> {
  const from = quarterHourOf(now) - ALERT_RULES['bounce-rate'].hours * HOUR_MS
  const sql = `select c.account_id, c.metric, sum(c.n) as n from {keys} k cross join counters c
    where c.account_id = k.k1 and c.quarter >= k.k2 group by c.account_id, c.metric`
  const rows = await reader.inKeys(sql, { types: ['int', 'int'], rows: accounts.map((account) => [account, from]) })
  const sums = new Map(rows.map((row) => [`${String(row['account_id'])}/${String(row['metric'])}`, Number(row['n'])]))
  return accounts.map((account) => ({ account, of: (metric) => sums.get(`${account}/${metric}`) ?? 0 }))
}

/** What our own lists answered was never sent. */
const suppressedCount = (of: MailSums['of']): number => of('invalid-401') + of('invalid-402')
const bouncedCount = (of: MailSums['of']): number => of('invalid') + of('soft-bounce') - suppressedCount(of)
const requestedCount = (of: MailSums['of']): number => of('request') - suppressedCount(of)

async function counterRatio(
  { reader, now, operator }: MeasureInput,
  alert: 'unmatched-share' | 'other-share',
  [part, whole]: readonly [WatchMetric, WatchMetric],
): Promise<readonly TimedAlertMeasurement[]> {
  const sums = await sumWatchCountsForOperator(reader, [part, whole], quarterHourOf(now) - ALERT_RULES[alert].hours * HOUR_MS)
  const of = (metric: WatchMetric): number => sums.filter((each) => each.metric === metric).reduce((n, each) => n + each.n, 0)
  return [ratioOf(alert, operator, of(part), of(whole))]
}

/** Endpoints that are on; one that was switched off or removed is no longer measured. */
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
      const of = (metric: WatchMetric): number => counts.get(`${account}/${metric}/${about}`) ?? 0
      const refused = of('webhook-refused')
      return ratioOf('webhook-failing', account, refused, refused + of('webhook-heard'), about)
    })
}

/** Loops that have sent complaints; none is silent while nothing is sent. */
async function feedbackSilence({ reader, now, operator, mails }: MeasureContext): Promise<readonly TimedAlertMeasurement[]> {
  const from = quarterHourOf(now) - ALERT_RULES['feedback-silence'].hours * HOUR_MS
  const sums = await sumWatchCountsForOperator(reader, ['feedback'], from)
  const isSending = mails.some(({ of }) => of('request') > 0)
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

const LANES_PAGE_SIZE = 1_000

/** Lanes that stand still, by what holds them: a thousand domains behind one paused IP are one alert. */
async function pausedLanes({ reader, now, rows }: MeasureInput): Promise<readonly TimedAlertMeasurement[]> {
  const found: LaneSnapshotRow[] = []
  for (let hasMore = true; hasMore;) {
    const page = await listLaneSnapshotsForOperator(reader, { domain: null, after: found.at(-1) ?? null, limit: LANES_PAGE_SIZE })
    found.push(...page)
    hasMore = page.length === LANES_PAGE_SIZE
  }
  const stopped = found.filter(({ status }) => status.isStopped && status.waiting > 0)
  const known = new Map(rows.flatMap((row) => (row.alert === 'lane-paused' ? [[`${row.account}/${row.about}`, row.data.from]] : [])))
  const groups = Map.groupBy(stopped, ({ account, domain, status }) => `${account}/${status.key ?? domain}`)
  return [...groups].flatMap(([name, [first, ...others]]) => {
    if (first === undefined) return []
    const from = known.get(name) ?? now
    const volume = [first, ...others].reduce((sum, { status }) => sum + status.waiting, 0)
    const about = first.status.key ?? first.domain
    return [{ account: first.account, alert: 'lane-paused', about, value: (now - from) / MINUTE_MS, volume, from }]
  })
}
