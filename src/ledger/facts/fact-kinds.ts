/**
 * fact-kinds - one row for each kind of fact: payload, version, retention, personal fields, dedup key
 *
 * The list of kinds, erasure (ledger/decide/redact), deduplication (ledger/facts/new-fact) and the removal of facts by age
 * (service/admin/retire) are derived from this table. A released kind is never renamed or reused; a changed payload takes a new version.
 *
 * Pure. See also: ledger/facts/fact, ledger/facts/fact-fields (classes of fields), ledger/facts/dedup-key.
 */
import { ALERT_FIELDS, type AlertData } from './alert-facts.ts'
import { type DedupContext, digestOf, digestOfRecord, recipientKeyOf } from './dedup-key.ts'
import {
  ATTEMPT_FIELDS,
  type AttemptData,
  ENGAGEMENT_FIELDS,
  type EngagementData,
  FAILED_FIELDS,
  type FailedData,
  GAVE_UP_FIELDS,
  type GaveUpData,
  MACHINE_CLICKS_FIELDS,
  type MachineClicksData,
  REQUEST_FIELDS,
  type RequestData,
  STUB_FIELDS,
  type StubData,
  UNSUBSCRIBE_FIELDS,
  type UnsubscribeData,
} from './delivery-facts.ts'
import type { FieldClasses } from './fact-fields.ts'
import { FORWARD_FIELDS, type ForwardData } from './forward-facts.ts'
import { INBOX_FIELDS, inboxDedupKey, type InboxData } from './inbox-facts.ts'
import { LIST_FIELDS, type ListData } from './list-facts.ts'
import {
  ALARM_FIELDS,
  type AlarmData,
  AUDIT_FIELDS,
  type AuditData,
  ERASED_FIELDS,
  type ErasedData,
  MASS_BOUNCE_FIELDS,
  type MassBounceData,
  RECLASSIFIED_FIELDS,
  type ReclassifiedData,
} from './operator-facts.ts'
import { QUEUE_FIELDS, type QueueData } from './queue-facts.ts'
import {
  COMPLAINT_FIELDS,
  type ComplaintData,
  DELAYED_FIELDS,
  type DelayedData,
  DELIVERED_FIELDS,
  type DeliveredData,
  FILED_FIELDS,
  type FiledData,
  NOT_SPAM_FIELDS,
  type NotSpamData,
  TLS_REPORT_FIELDS,
  type TlsReportData,
} from './report-facts.ts'

type FactKindRow<Data> = {
  /** The current version of the payload. ledger/facts/earlier-version reads older ones. */
  readonly version: number
  /** Belongs to no delivery and no report, and is removed by its own age. Facts about the operator's actions and about lists stay. */
  readonly isLoose: boolean
  readonly fields: FieldClasses<Data>
  /** Unique within the subject. */
  readonly dedupKey: (data: Data, context: DedupContext) => string
}

const defineKind = <Data>(row: FactKindRow<Data>): FactKindRow<Data> => row

const ROWS = {
  request: defineKind<RequestData>({ version: 1, isLoose: false, fields: REQUEST_FIELDS, dedupKey: () => 'request' }),
  stub: defineKind<StubData>({ version: 1, isLoose: false, fields: STUB_FIELDS, dedupKey: () => 'stub' }),
  attempt: defineKind<AttemptData>({
    version: 1,
    isLoose: false,
    fields: ATTEMPT_FIELDS,
    // An attempt of unknown fate must not hide its real outcome, which the sending node may report later.
    // Two attempts may get the same reply; the line of a log tells them apart, and is the same when the log is read again.
    dedupKey: ({ n, code, text, error, mx, egressIp, final, log }) =>
      log === undefined
        ? `attempt:${n ?? digestOf([code, text, error, mx, egressIp, final])}${error === 'unknown' ? ':unknown' : ''}`
        : `attempt:log:${log.digest}`,
  }),
  failed: defineKind<FailedData>({
    version: 1,
    isLoose: false,
    fields: FAILED_FIELDS,
    dedupKey: ({ reported, effect }, context) =>
      `failed:${recipientKeyOf(reported, context)}:${effect === null ? 'none' : `${effect.subStatus}:${effect.permanence}:${effect.asynchronous}`}`,
  }),
  delayed: defineKind<DelayedData>({
    version: 1,
    isLoose: false,
    fields: DELAYED_FIELDS,
    dedupKey: ({ reported, lastAttemptAt, willRetryUntil }, context) =>
      `delayed:${recipientKeyOf(reported, context)}:${lastAttemptAt ?? ''}:${willRetryUntil ?? ''}`,
  }),
  delivered: defineKind<DeliveredData>({
    version: 1,
    isLoose: false,
    fields: DELIVERED_FIELDS,
    dedupKey: ({ reported, action }, context) => `delivered:${recipientKeyOf(reported, context)}:${action}`,
  }),
  complaint: defineKind<ComplaintData>({
    version: 1,
    isLoose: false,
    fields: COMPLAINT_FIELDS,
    // Whoever holds the mail writes the type and, without a signature, the reporter: neither may make one complaint into many.
    dedupKey: ({ listed, episode }) => `complaint:${listed ? 'listed' : 'recorded'}:${episode}`,
  }),
  'not-spam': defineKind<NotSpamData>({
    version: 1,
    isLoose: false,
    fields: NOT_SPAM_FIELDS,
    dedupKey: ({ reporter, episode }) => `not-spam:${reporter}:${episode}`,
  }),
  unsubscribe: defineKind<UnsubscribeData>({
    version: 2,
    isLoose: false,
    fields: UNSUBSCRIBE_FIELDS,
    dedupKey: ({ scope, change }) => `unsubscribe:${scope}:${change}`,
  }),
  open: defineKind<EngagementData>({
    version: 2,
    isLoose: false,
    fields: ENGAGEMENT_FIELDS,
    dedupKey: ({ requestId }) => `open:${requestId}`,
  }),
  click: defineKind<EngagementData>({
    version: 2,
    isLoose: false,
    fields: ENGAGEMENT_FIELDS,
    dedupKey: ({ requestId }) => `click:${requestId}`,
  }),
  'machine-clicks': defineKind<MachineClicksData>({
    version: 1,
    isLoose: false,
    fields: MACHINE_CLICKS_FIELDS,
    dedupKey: ({ clicks }) => `machine-clicks:${digestOf(clicks)}`,
  }),
  filed: defineKind<FiledData>({ version: 1, isLoose: false, fields: FILED_FIELDS, dedupKey: ({ digest }) => `filed:${digest}` }),
  'tls-report': defineKind<TlsReportData>({
    version: 1,
    isLoose: true,
    fields: TLS_REPORT_FIELDS,
    // The subject names the submitter and the report. Who wrote an unsigned one first must not keep the signed one out.
    dedupKey: ({ signedBy }) => `tls-report:${signedBy ?? ''}`,
  }),
  list: defineKind<ListData>({ version: 2, isLoose: false, fields: LIST_FIELDS, dedupKey: ({ change }) => `list:${change}` }),
  inbox: defineKind<InboxData>({ version: 1, isLoose: false, fields: INBOX_FIELDS, dedupKey: inboxDedupKey }),
  'gave-up': defineKind<GaveUpData>({ version: 1, isLoose: false, fields: GAVE_UP_FIELDS, dedupKey: () => 'gave-up' }),
  route: defineKind<ForwardData>({ version: 1, isLoose: true, fields: FORWARD_FIELDS, dedupKey: () => 'route' }),
  alarm: defineKind<AlarmData>({
    version: 1,
    isLoose: false,
    fields: ALARM_FIELDS,
    dedupKey: ({ alarm, detail }) => `alarm:${alarm}:${digestOfRecord(detail)}`,
  }),
  alert: defineKind<AlertData>({ version: 1, isLoose: false, fields: ALERT_FIELDS, dedupKey: ({ change }) => `alert:${change}` }),
  brake: defineKind<MassBounceData>({
    version: 1,
    isLoose: false,
    fields: MASS_BOUNCE_FIELDS,
    dedupKey: ({ change }) => `brake:${change}`,
  }),
  // The subject is the backoff key. A later episode begins again at n = 1, so the time tells it from the first.
  queue: defineKind<QueueData>({
    version: 1,
    isLoose: true,
    fields: QUEUE_FIELDS,
    dedupKey: ({ class: name, n, move }, { at }) => `queue:${name ?? ''}:${n}:${move}:${at}`,
  }),
  reclassified: defineKind<ReclassifiedData>({
    version: 1,
    isLoose: false,
    fields: RECLASSIFIED_FIELDS,
    dedupKey: ({ supersedes, table }) => `reclassified:${supersedes}:${table}`,
  }),
  audit: defineKind<AuditData>({ version: 1, isLoose: false, fields: AUDIT_FIELDS, dedupKey: (_, { id }) => `audit:${id}` }),
  erased: defineKind<ErasedData>({ version: 1, isLoose: false, fields: ERASED_FIELDS, dedupKey: (_, { id }) => `erased:${id}` }),
}

export type FactKind = keyof typeof ROWS

/** The payload of each kind. */
export type FactData = { readonly [Kind in FactKind]: (typeof ROWS)[Kind] extends FactKindRow<infer Data> ? Data : never }

/** The table: one row for each kind. */
export const FACT_KINDS: { readonly [Kind in FactKind]: FactKindRow<FactData[Kind]> } = ROWS

/** Every kind, in the order of the table. */
// Checked cast: the keys of the literal above.
export const FACT_KIND_NAMES: readonly FactKind[] = Object.keys(ROWS) as FactKind[]

/** The kinds that are removed by their own age. */
export const LOOSE_FACT_KINDS: readonly FactKind[] = FACT_KIND_NAMES.filter((kind) => FACT_KINDS[kind].isLoose)
