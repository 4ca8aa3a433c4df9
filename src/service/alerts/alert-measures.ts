/**
 * alert-measures - the figures behind the alerts, each read from counters
 *
 * One function an alert, all in one table. What is about the installation is measured under the account that its operator has named
 * (alerts.account), so that its endpoints hear of it.
 *
 * See also: ledger/alert/alert-rules (what each means), service/alerts/alerts.
 */
import type { AlertRow, Measured } from '../../ledger/alert/alert.ts'
import { ALERTS, type AlertName } from '../../ledger/alert/alert-rules.ts'
import type { WatchMetric } from '../../ledger/project/watch-counts.ts'
import { QUARTER_MS, quarterOf } from '../../ledger/project/state.ts'
import type { Reader } from '../../store/engine/engine.ts'
import { lanesForOperator, type LaneRow } from '../../store/queue/lane-snapshots.ts'
import { endpointsOf } from '../../store/webhook/endpoints.ts'
import { sumWatchForOperator, type WatchSum } from '../../store/facts/watch-counters.ts'

/** `from`: since when what is measured in minutes lasts. */
export type Figure = Measured & { readonly from: number | null }

/** Mails of the last day: sums of an account by metric. */
type MailSums = { readonly account: number; readonly of: (metric: string) => number }

type Asked = MeasureInput & { readonly mails: readonly MailSums[] }

export type MeasureInput = {
  readonly reader: Reader
  readonly now: number
  readonly accounts: readonly number[]
  /** Whose the installation's alerts are. */
  readonly operator: number
  /** As they stand, for what has no beginning of its own. */
  readonly rows: readonly AlertRow[]
}

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

type Measure = (input: Asked) => Promise<readonly Figure[]>

const MEASURES = {
  'bounce-rate': ({ mails }) => Promise.resolve(mails.map(({ account, of }) => share('bounce-rate', account, bounced(of), asked(of)))),
  'complaint-rate': ({ mails }) =>
    Promise.resolve(mails.map(({ account, of }) => share('complaint-rate', account, of('complaint'), of('delivered')))),
  'unmatched-share': (input) => watchShare(input, 'unmatched-share', ['unmatched', 'mails']),
  'other-share': (input) => watchShare(input, 'other-share', ['other', 'verdicts']),
  'lane-paused': lanes,
  'webhook-failing': webhooks,
  'feedback-silence': silence,
} as const satisfies Record<AlertName, Measure>

/** All figures of now. */
export async function measureAll(input: MeasureInput): Promise<readonly Figure[]> {
  // The dearest question, and three ask it.
  const mails = await mailSums(input)
  return (await Promise.all(Object.values(MEASURES).map((measure) => measure({ ...input, mails })))).flat()
}

function share(alert: AlertName, account: number, part: number, whole: number, about = ''): Figure {
  return { account, alert, about, value: whole > 0 ? part / whole : null, volume: whole, from: null }
}

/** Mails of the last day by account. */
async function mailSums({ reader, now, accounts }: MeasureInput): Promise<readonly MailSums[]> {
  const from = quarterOf(now) - ALERTS['bounce-rate'].hours * HOUR_MS
  const sql = `select c.account_id, c.metric, sum(c.n) as n from {keys} k cross join counters c
    where c.account_id = k.k1 and c.quarter >= k.k2 group by c.account_id, c.metric`
  const rows = await reader.inKeys(sql, { types: ['int', 'int'], rows: accounts.map((account) => [account, from]) })
  const sums = new Map(rows.map((row) => [`${String(row['account_id'])}/${String(row['metric'])}`, Number(row['n'])]))
  return accounts.map((account) => ({ account, of: (metric) => sums.get(`${account}/${metric}`) ?? 0 }))
}

/** What our own lists answered was never sent. */
const ownAnswers = (of: MailSums['of']): number => of('invalid-401') + of('invalid-402')
const bounced = (of: MailSums['of']): number => of('invalid') + of('soft-bounce') - ownAnswers(of)
const asked = (of: MailSums['of']): number => of('request') - ownAnswers(of)

async function watchShare(
  { reader, now, operator }: MeasureInput,
  alert: 'unmatched-share' | 'other-share',
  [part, whole]: readonly [WatchMetric, WatchMetric],
): Promise<readonly Figure[]> {
  const sums = await sumWatchForOperator(reader, [part, whole], quarterOf(now) - ALERTS[alert].hours * HOUR_MS)
  const of = (metric: WatchMetric): number => sums.filter((each) => each.metric === metric).reduce((n, each) => n + each.n, 0)
  return [share(alert, operator, of(part), of(whole))]
}

/** Endpoints that are on; one that was switched off or removed is no longer measured. */
async function webhooks({ reader, now, accounts }: MeasureInput): Promise<readonly Figure[]> {
  const from = quarterOf(now) - ALERTS['webhook-failing'].hours * HOUR_MS
  const [endpoints, sums] = await Promise.all([
    endpointsOf(reader, accounts),
    sumWatchForOperator(reader, ['webhook-heard', 'webhook-refused'], from),
  ])
  const counts = new Map(sums.map(({ account, metric, name, n }) => [`${account}/${metric}/${name}`, n]))
  return endpoints
    .filter(({ enabled }) => enabled)
    .map(({ account, endpointId }) => {
      const about = String(endpointId)
      const of = (metric: WatchMetric): number => counts.get(`${account}/${metric}/${about}`) ?? 0
      const refused = of('webhook-refused')
      return share('webhook-failing', account, refused, refused + of('webhook-heard'), about)
    })
}

/** Loops that have sent complaints; none is silent while nothing is sent. */
async function silence({ reader, now, operator, mails }: Asked): Promise<readonly Figure[]> {
  const from = quarterOf(now) - ALERTS['feedback-silence'].hours * HOUR_MS
  const sums = await sumWatchForOperator(reader, ['feedback'], from)
  const isSending = mails.some(({ of }) => of('request') > 0)
  const hoursOf = ({ last }: WatchSum): number => Math.max(0, now - last - QUARTER_MS) / HOUR_MS
  return sums.map((sum) => ({
    account: operator,
    alert: 'feedback-silence',
    about: sum.name,
    value: isSending ? hoursOf(sum) : null,
    volume: sum.n,
    from: null,
  }))
}

const LANES = 1_000

/** Lanes that stand still, by what holds them: a thousand domains behind one paused IP are one alert. */
async function lanes({ reader, now, rows }: MeasureInput): Promise<readonly Figure[]> {
  const found: LaneRow[] = []
  for (let full = true; full;) {
    const page = await lanesForOperator(reader, { domain: null, after: found.at(-1) ?? null, limit: LANES })
    found.push(...page)
    full = page.length === LANES
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
