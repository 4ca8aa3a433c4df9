/**
 * schema - the tables as shapes: which field of the core lies in which column
 *
 * The compiler holds each shape against the core's type; a test holds it against what the migrations make, on both engines.
 *
 * See also: store/engine/mapping, store/migrations.
 */
import type { Proofs } from '../mail-auth/verify-signatures.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import type { DeliveryRow, InboxRow, SiteMetric, SiteState, SuppressionRow, CounterRow } from '../ledger/project/state.ts'
import { code, flag, hex, int, json, maybe, packed, shapeOf, text, uuid, word } from './engine/mapping.ts'
import type { RawMail } from './mail/raw-mail.ts'
import type { Shape } from './engine/mapping.ts'

/** A fact as it lies: its data as JSON, whatever its kind. */
export type StoredFact = Omit<Fact, 'data'> & { readonly data: Fact['data'] }

const factFields = {
  id: uuid('id'),
  account: int('account_id'),
  deliveryMonth: int('delivery_month'),
  subject: text('subject'),
  deliveryId: maybe(text('delivery_id')),
  kind: word<Fact['kind']>('kind'),
  v: int('v'),
  at: int('at'),
  receivedAt: int('received_at'),
  dedupKey: text('dedup_key'),
  addressHash: maybe(hex('address_hash')),
  data: json<Fact['data']>('data'),
}

const FACT_KEY = ['account_id', 'subject', 'delivery_month', 'dedup_key']

export const EVENTS: Shape<StoredFact> = shapeOf<StoredFact>('events', FACT_KEY, factFields)
export const LIST_EVENTS: Shape<StoredFact> = shapeOf<StoredFact>('list_events', FACT_KEY, factFields)

export const DELIVERIES = shapeOf<DeliveryRow>('deliveries', ['account_id', 'delivery_id', 'delivery_month'], {
  account: int('account_id'),
  deliveryId: text('delivery_id'),
  month: int('delivery_month'),
  emailId: maybe(text('email_id')),
  messageId: maybe(text('message_id')),
  recipient: maybe(text('recipient')),
  addressHash: maybe(hex('address_hash')),
  domain: text('domain'),
  site: maybe(text('site')),
  apiUser: text('api_user'),
  labelId: maybe(int('label_id')),
  label: maybe(text('label')),
  emailType: word<DeliveryRow['emailType']>('email_type'),
  broadcast: maybe(text('broadcast')),
  from: text('sender'),
  subject: text('subject'),
  headers: json<DeliveryRow['headers']>('headers'),
  messageIdHeader: maybe(text('message_id_header')),
  requestIp: maybe(text('request_ip')),
  egressIp: maybe(text('egress_ip')),
  mx: maybe(text('mx')),
  routeKey: text('route_key'),
  requestedAt: int('requested_at'),
  registered: flag('registered'),
  status: code<DeliveryRow['status']>('status'),
  subStatus: maybe(int('sub_status')),
  asynchronous: flag('asynchronous'),
  reason: maybe(word<NonNullable<DeliveryRow['reason']>>('reason')),
  permanence: maybe(word<NonNullable<DeliveryRow['permanence']>>('permanence')),
  fault: maybe(word<NonNullable<DeliveryRow['fault']>>('fault')),
  weak: flag('weak'),
  forwarded: flag('forwarded'),
  engaged: flag('engaged'),
  statusAt: int('status_at'),
  statusFact: uuid('status_fact'),
  statusRank: int('status_rank'),
  rule: maybe(text('rule')),
  reportedDomain: maybe(text('reported_domain')),
  remoteSite: maybe(text('remote_site')),
  sendLog: text('send_log'),
  deliveredAt: maybe(int('delivered_at')),
  openedAt: maybe(int('opened_at')),
  clickedAt: maybe(int('clicked_at')),
  touchedAt: maybe(int('touched_at')),
  attempts: int('attempts'),
  opens: int('opens'),
  clicks: int('clicks'),
  complaints: int('complaints'),
  unsubscribes: int('unsubscribes'),
  complaintEpisode: int('complaint_episode'),
  notSpamEpisode: int('not_spam_episode'),
  modifiedAt: int('modified_at'),
  result: word<DeliveryRow['result']>('result'),
  resultBase: word<DeliveryRow['resultBase']>('result_base'),
  resultRank: int('result_rank'),
  resultAt: int('result_at'),
  resultFact: uuid('result_fact'),
  reclassified: flag('reclassified'),
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

export const SUPPRESSIONS = shapeOf<SuppressionRow>('suppressions', ['account_id', 'address_hash', 'list', 'scope'], {
  account: int('account_id'),
  list: word<SuppressionRow['list']>('list'),
  addressHash: hex('address_hash'),
  scope: text('scope'),
  address: maybe(text('address')),
  domain: text('domain'),
  isDomain: flag('is_domain'),
  n: int('n'),
  change: int('change'),
  from: int('from_at'),
  until: maybe(int('until_at')),
  removedAt: maybe(int('removed_at')),
  pending: flag('pending'),
  reason: text('reason'),
  rule: maybe(text('rule')),
  site: maybe(text('site')),
  deliveryId: maybe(text('delivery_id')),
  proof: maybe(word<NonNullable<SuppressionRow['proof']>>('proof')),
  unsubscribeType: maybe(code<NonNullable<SuppressionRow['unsubscribeType']>>('unsubscribe_type')),
  apiUser: maybe(text('api_user')),
  labelId: maybe(int('label_id')),
  factId: uuid('fact_id'),
})

export const INBOX = shapeOf<InboxRow>('inbox', ['account_id', 'digest'], {
  account: int('account_id'),
  digest: hex('digest'),
  reason: word<InboxRow['reason']>('reason'),
  kind: text('kind'),
  state: word<InboxRow['state']>('state'),
  receivedAt: int('received_at'),
  from: maybe(text('sender')),
  subject: maybe(text('subject')),
  summary: text('summary'),
  deliveryId: maybe(text('delivery_id')),
  stateAt: int('state_at'),
  factId: uuid('fact_id'),
})

export type StoredCounter = CounterRow & { readonly slot: number }

export const COUNTERS = shapeOf<StoredCounter>('counters', ['account_id', 'quarter', 'api_user', 'label_id', 'domain', 'metric', 'slot'], {
  account: int('account_id'),
  quarter: int('quarter'),
  apiUser: text('api_user'),
  labelId: int('label_id'),
  domain: text('domain'),
  metric: word<CounterRow['metric']>('metric'),
  slot: int('slot'),
  n: int('n'),
})

export type StoredSiteCounter = {
  readonly site: string
  readonly quarter: number
  readonly metric: SiteMetric
  readonly slot: number
  readonly n: number
}

export const SITE_COUNTERS = shapeOf<StoredSiteCounter>('site_counters', ['site', 'quarter', 'metric', 'slot'], {
  site: text('site'),
  quarter: int('quarter'),
  metric: word<SiteMetric>('metric'),
  slot: int('slot'),
  n: int('n'),
})

export const SITE_STATES = shapeOf<SiteState>('site_states', ['site'], {
  site: text('site'),
  held: flag('held'),
  change: int('change'),
  at: int('at'),
  factId: uuid('fact_id'),
})

/** A mail that came, once for each digest of its DATA and envelope recipient. */
export type ReportRow = {
  readonly digest: string
  /** Whose it is; 0 where it points at nobody. */
  readonly account: number
  readonly receivedAt: number
  readonly kind: string
  readonly size: number
  readonly truncated: boolean
  readonly peer: string | null
  readonly mailFrom: string
  readonly rcptTo: string
  readonly source: string
  readonly sessionId: string
  /** What its signatures and its peer proved; null where nothing was asked. */
  readonly auth: Proofs | null
}

export const REPORTS = shapeOf<ReportRow>('reports', ['digest'], {
  digest: hex('digest'),
  account: int('account_id'),
  receivedAt: int('received_at'),
  kind: text('kind'),
  size: int('size'),
  truncated: flag('truncated'),
  peer: maybe(text('peer')),
  mailFrom: text('mail_from'),
  rcptTo: text('rcpt_to'),
  source: text('source'),
  sessionId: text('session_id'),
  auth: maybe(json<Proofs>('auth')),
})

/** See store/mail/raw-mail. */
export const RAW_MAILS = shapeOf<RawMail>('raw_mails', ['received_at', 'digest'], {
  receivedAt: int('received_at'),
  digest: hex('digest'),
  size: int('size'),
  body: packed('body'),
})
