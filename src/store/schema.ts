/**
 * schema - the tables as shapes: which field of the core lies in which column
 *
 * The compiler holds each shape against the core's type; a test holds it against what the migrations make, on both engines.
 *
 * See also: store/engine/mapping, store/migrations.
 */
import type { Fact } from '../ledger/facts/fact.ts'
import type { DeliveryRow, InboxRow, SiteMetric, SiteState, SuppressionRow, CounterRow } from '../ledger/project/state.ts'
import {
  integerEnumColumn,
  booleanColumn,
  hexColumn,
  integerColumn,
  jsonColumn,
  nullableColumn,
  createTableMapping,
  textColumn,
  uuidColumn,
  textEnumColumn,
} from './engine/mapping.ts'
import type { TableMapping } from './engine/mapping.ts'

/** A fact as it lies: its data as JSON, whatever its kind. */
export type StoredFact = Omit<Fact, 'data'> & { readonly data: Fact['data'] }

const factColumns = {
  id: uuidColumn('id'),
  account: integerColumn('account_id'),
  deliveryMonth: integerColumn('delivery_month'),
  subject: textColumn('subject'),
  deliveryId: nullableColumn(textColumn('delivery_id')),
  kind: textEnumColumn<Fact['kind']>('kind'),
  v: integerColumn('v'),
  at: integerColumn('at'),
  receivedAt: integerColumn('received_at'),
  dedupKey: textColumn('dedup_key'),
  addressHash: nullableColumn(hexColumn('address_hash')),
  data: jsonColumn<Fact['data']>('data'),
}

const FACT_KEY = ['account_id', 'subject', 'delivery_month', 'dedup_key']

export const FACTS: TableMapping<StoredFact> = createTableMapping<StoredFact>('events', FACT_KEY, factColumns)
export const LIST_FACTS: TableMapping<StoredFact> = createTableMapping<StoredFact>('list_events', FACT_KEY, factColumns)

export const DELIVERIES = createTableMapping<DeliveryRow>('deliveries', ['account_id', 'delivery_id', 'delivery_month'], {
  account: integerColumn('account_id'),
  deliveryId: textColumn('delivery_id'),
  month: integerColumn('delivery_month'),
  emailId: nullableColumn(textColumn('email_id')),
  messageId: nullableColumn(textColumn('message_id')),
  recipient: nullableColumn(textColumn('recipient')),
  addressHash: nullableColumn(hexColumn('address_hash')),
  domain: textColumn('domain'),
  site: nullableColumn(textColumn('site')),
  apiUser: textColumn('api_user'),
  labelId: nullableColumn(integerColumn('label_id')),
  label: nullableColumn(textColumn('label')),
  emailType: textEnumColumn<DeliveryRow['emailType']>('email_type'),
  broadcast: nullableColumn(textColumn('broadcast')),
  from: textColumn('sender'),
  subject: textColumn('subject'),
  headers: jsonColumn<DeliveryRow['headers']>('headers'),
  messageIdHeader: nullableColumn(textColumn('message_id_header')),
  requestIp: nullableColumn(textColumn('request_ip')),
  egressIp: nullableColumn(textColumn('egress_ip')),
  mx: nullableColumn(textColumn('mx')),
  routeKey: textColumn('route_key'),
  requestedAt: integerColumn('requested_at'),
  registered: booleanColumn('registered'),
  status: integerEnumColumn<DeliveryRow['status']>('status'),
  subStatus: nullableColumn(integerColumn('sub_status')),
  asynchronous: booleanColumn('asynchronous'),
  reason: nullableColumn(textEnumColumn<NonNullable<DeliveryRow['reason']>>('reason')),
  permanence: nullableColumn(textEnumColumn<NonNullable<DeliveryRow['permanence']>>('permanence')),
  fault: nullableColumn(textEnumColumn<NonNullable<DeliveryRow['fault']>>('fault')),
  weak: booleanColumn('weak'),
  forwarded: booleanColumn('forwarded'),
  engaged: booleanColumn('engaged'),
  statusAt: integerColumn('status_at'),
  statusFact: uuidColumn('status_fact'),
  statusRank: integerColumn('status_rank'),
  rule: nullableColumn(textColumn('rule')),
  reportedDomain: nullableColumn(textColumn('reported_domain')),
  remoteSite: nullableColumn(textColumn('remote_site')),
  sendLog: textColumn('send_log'),
  deliveredAt: nullableColumn(integerColumn('delivered_at')),
  openedAt: nullableColumn(integerColumn('opened_at')),
  clickedAt: nullableColumn(integerColumn('clicked_at')),
  touchedAt: nullableColumn(integerColumn('touched_at')),
  attempts: integerColumn('attempts'),
  opens: integerColumn('opens'),
  clicks: integerColumn('clicks'),
  complaints: integerColumn('complaints'),
  unsubscribes: integerColumn('unsubscribes'),
  complaintEpisode: integerColumn('complaint_episode'),
  notSpamEpisode: integerColumn('not_spam_episode'),
  modifiedAt: integerColumn('modified_at'),
  result: textEnumColumn<DeliveryRow['result']>('result'),
  resultBase: textEnumColumn<DeliveryRow['resultBase']>('result_base'),
  resultRank: integerColumn('result_rank'),
  resultAt: integerColumn('result_at'),
  resultFact: uuidColumn('result_fact'),
  reclassified: booleanColumn('reclassified'),
})

/** What a delivery is registered with, and keeps. */
export const REGISTERED_COLUMNS = [
  'email_id',
  'message_id',
  'recipient',
  'address_hash',
  'domain',
  'api_user',
  'label_id',
  'label',
  'email_type',
  'broadcast',
  'sender',
  'subject',
  'headers',
  'message_id_header',
  'request_ip',
  'requested_at',
  'registered',
] as const

export const SUPPRESSIONS = createTableMapping<SuppressionRow>('suppressions', ['account_id', 'address_hash', 'list', 'scope'], {
  account: integerColumn('account_id'),
  list: textEnumColumn<SuppressionRow['list']>('list'),
  addressHash: hexColumn('address_hash'),
  scope: textColumn('scope'),
  address: nullableColumn(textColumn('address')),
  domain: textColumn('domain'),
  isDomain: booleanColumn('is_domain'),
  n: integerColumn('n'),
  change: integerColumn('change'),
  from: integerColumn('from_at'),
  until: nullableColumn(integerColumn('until_at')),
  removedAt: nullableColumn(integerColumn('removed_at')),
  pending: booleanColumn('pending'),
  reason: textColumn('reason'),
  rule: nullableColumn(textColumn('rule')),
  site: nullableColumn(textColumn('site')),
  deliveryId: nullableColumn(textColumn('delivery_id')),
  proof: nullableColumn(textEnumColumn<NonNullable<SuppressionRow['proof']>>('proof')),
  unsubscribeType: nullableColumn(integerEnumColumn<NonNullable<SuppressionRow['unsubscribeType']>>('unsubscribe_type')),
  apiUser: nullableColumn(textColumn('api_user')),
  labelId: nullableColumn(integerColumn('label_id')),
  factId: uuidColumn('fact_id'),
})

export const INBOX = createTableMapping<InboxRow>('inbox', ['account_id', 'digest'], {
  account: integerColumn('account_id'),
  digest: hexColumn('digest'),
  reason: textEnumColumn<InboxRow['reason']>('reason'),
  kind: textColumn('kind'),
  state: textEnumColumn<InboxRow['state']>('state'),
  receivedAt: integerColumn('received_at'),
  from: nullableColumn(textColumn('sender')),
  subject: nullableColumn(textColumn('subject')),
  summary: textColumn('summary'),
  deliveryId: nullableColumn(textColumn('delivery_id')),
  stateAt: integerColumn('state_at'),
  factId: uuidColumn('fact_id'),
})

export type StoredCounter = CounterRow & { readonly slot: number }

export const COUNTERS = createTableMapping<StoredCounter>(
  'counters',
  ['account_id', 'quarter', 'api_user', 'label_id', 'domain', 'metric', 'slot'],
  {
    account: integerColumn('account_id'),
    quarter: integerColumn('quarter'),
    apiUser: textColumn('api_user'),
    labelId: integerColumn('label_id'),
    domain: textColumn('domain'),
    metric: textEnumColumn<CounterRow['metric']>('metric'),
    slot: integerColumn('slot'),
    n: integerColumn('n'),
  },
)

export type StoredSiteCounter = {
  readonly site: string
  readonly quarter: number
  readonly metric: SiteMetric
  readonly slot: number
  readonly n: number
}

export const SITE_COUNTERS = createTableMapping<StoredSiteCounter>('site_counters', ['site', 'quarter', 'metric', 'slot'], {
  site: textColumn('site'),
  quarter: integerColumn('quarter'),
  metric: textEnumColumn<SiteMetric>('metric'),
  slot: integerColumn('slot'),
  n: integerColumn('n'),
})

export const SITE_STATES = createTableMapping<SiteState>('site_states', ['site'], {
  site: textColumn('site'),
  held: booleanColumn('held'),
  change: integerColumn('change'),
  at: integerColumn('at'),
  factId: uuidColumn('fact_id'),
})
