/**
 * schema - the tables of facts, list entries, inbox and counters
 *
 * The compiler compares each mapping with the type of the code, and a test with the columns that the migrations create on both engines.
 *
 * See also: store/engine/mapping, store/tables (all tables), store/migrations/migrations.
 */
import type { Fact } from '../ledger/facts/fact.ts'
import type { InboxRow, SiteMetric, SiteState, SuppressionRow, CounterRow } from '../ledger/project/state.ts'
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

/** A fact with its data as JSON, whatever its kind. */
export type StoredFact = Omit<Fact, 'data'> & { readonly data: Fact['data'] }

const factColumns = {
  id: uuidColumn('id'),
  account: integerColumn('account_id'),
  deliveryMonth: integerColumn('delivery_month'),
  subject: textColumn('subject', 'none'),
  deliveryId: nullableColumn(textColumn('delivery_id', 'none')),
  kind: textEnumColumn<Fact['kind']>('kind'),
  v: integerColumn('v'),
  at: integerColumn('at'),
  receivedAt: integerColumn('received_at'),
  dedupKey: textColumn('dedup_key', 'none'),
  addressHash: nullableColumn(hexColumn('address_hash')),
  data: jsonColumn<Fact['data']>('data', 'fact'),
}

const FACT_KEY = ['account_id', 'subject', 'delivery_month', 'dedup_key']

export const FACTS: TableMapping<StoredFact> = createTableMapping<StoredFact>('events', FACT_KEY, factColumns)
export const LIST_FACTS: TableMapping<StoredFact> = createTableMapping<StoredFact>('list_events', FACT_KEY, factColumns)

export const SUPPRESSIONS = createTableMapping<SuppressionRow>('suppressions', ['account_id', 'address_hash', 'list', 'scope'], {
  account: integerColumn('account_id'),
  list: textEnumColumn<SuppressionRow['list']>('list'),
  addressHash: hexColumn('address_hash'),
  scope: textColumn('scope', 'none'),
  address: nullableColumn(textColumn('address', 'address')),
  domain: textColumn('domain', 'none'),
  isDomain: booleanColumn('is_domain'),
  n: integerColumn('n'),
  change: integerColumn('change'),
  from: integerColumn('from_at'),
  until: nullableColumn(integerColumn('until_at')),
  removedAt: nullableColumn(integerColumn('removed_at')),
  pending: booleanColumn('pending'),
  reason: textColumn('reason', 'text'),
  rule: nullableColumn(textColumn('rule', 'none')),
  site: nullableColumn(textColumn('site', 'none')),
  deliveryId: nullableColumn(textColumn('delivery_id', 'none')),
  proof: nullableColumn(textEnumColumn<NonNullable<SuppressionRow['proof']>>('proof')),
  unsubscribeType: nullableColumn(integerEnumColumn<NonNullable<SuppressionRow['unsubscribeType']>>('unsubscribe_type')),
  apiUser: nullableColumn(textColumn('api_user', 'none')),
  labelId: nullableColumn(integerColumn('label_id')),
  factId: uuidColumn('fact_id'),
})

export const INBOX = createTableMapping<InboxRow>('inbox', ['account_id', 'digest'], {
  account: integerColumn('account_id'),
  digest: hexColumn('digest'),
  reason: textEnumColumn<InboxRow['reason']>('reason'),
  kind: textColumn('kind', 'none'),
  state: textEnumColumn<InboxRow['state']>('state'),
  receivedAt: integerColumn('received_at'),
  from: nullableColumn(textColumn('sender', 'text')),
  subject: nullableColumn(textColumn('subject', 'text')),
  summary: textColumn('summary', 'text'),
  deliveryId: nullableColumn(textColumn('delivery_id', 'none')),
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
    apiUser: textColumn('api_user', 'none'),
    labelId: integerColumn('label_id'),
    domain: textColumn('domain', 'none'),
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
  site: textColumn('site', 'none'),
  quarter: integerColumn('quarter'),
  metric: textEnumColumn<SiteMetric>('metric'),
  slot: integerColumn('slot'),
  n: integerColumn('n'),
})

export const SITE_STATES = createTableMapping<SiteState>('site_states', ['site'], {
  site: textColumn('site', 'none'),
  held: booleanColumn('held'),
  change: integerColumn('change'),
  at: integerColumn('at'),
  factId: uuidColumn('fact_id'),
})
