/**
 * export-kinds - the kinds of exports: their filters, their columns, and how their rows are read
 *
 * Beside SendCloud's status numbers, the columns hold `reason`, `fault` and `billable`: to clean a list, select `fault = recipient`. Column
 * names are part of the API: a released one is never renamed, and new ones are added at the end.
 *
 * See also: service/export/exporter (writes files), commands/store/export (prints rows), docs/EXPORTS.md.
 */
import { REASONS } from '../../classify/reasons.ts'
import { hashAddress } from '../../correlate/address-hash.ts'
import { isContradicted } from '../../ledger/decide/engagement.ts'
import { LIST_NAMES } from '../../ledger/facts/list-facts.ts'
import { RESULT_NAMES } from '../../ledger/project/broadcast-result.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { DeliveryCursor, DeliveryFilters } from '../../store/mail/deliveries.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import type { ExportCursor, ExportFilters, ExportKind } from '../../store/exports.ts'
import { isSuppressionInForce } from '../../store/lists/suppressions.ts'
import type { SuppressionCursor, SuppressionFilters } from '../../store/lists/suppressions.ts'
import { scanDeliveries, scanSuppressions } from '../../store/facts/scan.ts'
import { scanEngagement, type EngagementCursor, type EngagementRecord } from '../../store/facts/engagement.ts'
import { findUnbilledIds } from '../../store/facts/unbilled.ts'
import type { ScanRange } from '../../store/facts/scan.ts'
import type { ExportedDelivery } from '../../store/mail/delivery-columns.ts'
import type { Cell } from './csv.ts'

/** `now` (epoch ms) decides which list entries are in force. */
type ExportStepInput = {
  readonly account: number
  readonly filters: ExportFilters
  readonly now: number
  readonly stride: ScanRange<ExportCursor>
}

/** Rows with their cells in the order of the columns. `next` is the key after which the next step starts, or null at the end. */
export type ExportStep = { readonly rows: readonly (readonly Cell[])[]; readonly next: ExportCursor | null }

export type ExportKindSpec = {
  readonly allowedFilters: readonly (keyof ExportFilters)[]
  readonly requiredFilters: readonly (keyof ExportFilters)[]
  readonly columns: readonly string[]
  /** Reads the next rows. */
  readonly readStep: (reader: DatabaseReader, input: ExportStepInput) => Promise<ExportStep>
}

type Column<T> = readonly [name: string, cellOf: (line: T) => Cell]

const iso = (at: number | null): string | null => (at === null || at === 0 ? null : new Date(at).toISOString())

type MailExportRow = { readonly row: ExportedDelivery; readonly billable: boolean }

const IDENTITY_COLUMNS: readonly Column<MailExportRow>[] = [
  ['emailId', ({ row }) => row.emailId],
  ['messageId', ({ row }) => row.messageId],
  ['recipient', ({ row }) => row.recipient],
  ['domain', ({ row }) => row.domain],
  ['from', ({ row }) => row.from],
  ['subject', ({ row }) => row.subject],
  ['label', ({ row }) => row.label],
  ['apiUser', ({ row }) => row.apiUser],
  ['broadcast', ({ row }) => row.broadcast],
  ['emailType', ({ row }) => row.emailType],
  ['requestedAt', ({ row }) => iso(row.requestedAt)],
]

const OUTCOME_COLUMNS: readonly Column<MailExportRow>[] = [
  ['status', ({ row }) => row.status],
  ['subStatus', ({ row }) => row.subStatus],
  ['asynchronousBounce', ({ row }) => row.asynchronous],
  ['reason', ({ row }) => row.reason],
  ['permanence', ({ row }) => row.permanence],
  ['fault', ({ row }) => row.fault],
  ['billable', ({ billable }) => billable],
]

const TIME_COLUMNS: readonly Column<MailExportRow>[] = [
  ['modifiedAt', ({ row }) => iso(row.modifiedAt)],
  ['deliveredAt', ({ row }) => iso(row.deliveredAt)],
  ['openedAt', ({ row }) => iso(row.openedAt)],
  ['clickedAt', ({ row }) => iso(row.clickedAt)],
]

const EVIDENCE_COLUMNS: readonly Column<MailExportRow>[] = [
  ['rule', ({ row }) => row.rule],
  ['sendLog', ({ row }) => row.sendLog],
]

const MACHINE_COLUMNS: readonly Column<MailExportRow>[] = [
  ['machineOpens', ({ row }) => row.machineOpens],
  ['machineClicks', ({ row }) => row.machineClicks],
  ['contradiction', ({ row }) => isContradicted(row)],
]

const STATUS_COLUMNS: readonly Column<MailExportRow>[] = [
  ...IDENTITY_COLUMNS,
  ...OUTCOME_COLUMNS,
  ...TIME_COLUMNS,
  ['weak', ({ row }) => row.weak],
  ['forwarded', ({ row }) => row.forwarded],
  ['requestIp', ({ row }) => row.requestIp],
  ['egressIp', ({ row }) => row.egressIp],
  ['opens', ({ row }) => row.opens],
  ['clicks', ({ row }) => row.clicks],
  ['complaints', ({ row }) => row.complaints],
  ['unsubscribes', ({ row }) => row.unsubscribes],
  ...EVIDENCE_COLUMNS,
  ...MACHINE_COLUMNS,
]

const RESULT_COLUMNS: readonly Column<MailExportRow>[] = [
  ...IDENTITY_COLUMNS,
  ['result', ({ row }) => RESULT_NAMES[row.result]],
  ['resultAt', ({ row }) => iso(row.resultAt)],
  ...OUTCOME_COLUMNS,
  ...TIME_COLUMNS,
  ...EVIDENCE_COLUMNS,
  ...MACHINE_COLUMNS,
]

const ENGAGEMENT_COLUMNS: readonly Column<EngagementRecord>[] = [
  ['engagement', ({ fact }) => fact.kind],
  ['at', ({ fact }) => iso(fact.at)],
  ['emailId', ({ emailId }) => emailId],
  ['messageId', ({ messageId }) => messageId],
  ['recipient', ({ recipient }) => recipient],
  ['apiUser', ({ apiUser }) => apiUser],
  ['label', ({ label }) => label],
  ['broadcast', ({ broadcast }) => broadcast],
  ['requestedAt', ({ requestedAt }) => iso(requestedAt)],
  ['url', ({ fact }) => fact.data.url],
  ['first', ({ fact }) => fact.data.first],
  ['machine', ({ fact }) => fact.data.machine],
  ['ip', ({ fact }) => fact.data.ip],
  ['country', ({ fact }) => fact.data.country],
  ['region', ({ fact }) => fact.data.region],
  ['city', ({ fact }) => fact.data.city],
  ['device', ({ fact }) => fact.data.device],
  ['browser', ({ fact }) => fact.data.browser],
  ['browserVersion', ({ fact }) => fact.data.browserVersion],
  ['system', ({ fact }) => fact.data.system],
  ['systemVersion', ({ fact }) => fact.data.systemVersion],
  ['userAgent', ({ fact }) => fact.data.userAgent],
]

type EntryExportRow = { readonly row: SuppressionRow; readonly now: number }

const ENTRY_COLUMNS: readonly Column<EntryExportRow>[] = [
  ['list', ({ row }) => row.list],
  ['address', ({ row }) => row.address],
  ['addressHash', ({ row }) => row.addressHash],
  ['domain', ({ row }) => row.domain],
  ['wholeDomain', ({ row }) => row.isDomain],
  ['scope', ({ row }) => row.scope],
  ['reason', ({ row }) => row.reason],
  ['fault', ({ row }) => faultOf(row.reason)],
  ['from', ({ row }) => iso(row.from)],
  ['until', ({ row }) => iso(row.until)],
  ['inForce', ({ row, now }) => isSuppressionInForce(row, now)],
  ['held', ({ row }) => row.pending],
  ['removedAt', ({ row }) => iso(row.removedAt)],
  ['times', ({ row }) => row.n],
  ['site', ({ row }) => row.site],
  ['rule', ({ row }) => row.rule],
  ['proof', ({ row }) => row.proof],
  ['unsubscribeType', ({ row }) => row.unsubscribeType],
  ['apiUser', ({ row }) => row.apiUser],
  ['labelId', ({ row }) => row.labelId],
]

/** If a verdict caused an entry, the entry has the reason of the verdict. */
const FAULT_BY_REASON: Readonly<Record<string, { readonly fault: string }>> = REASONS
const faultOf = (reason: string): string | null => FAULT_BY_REASON[reason]?.fault ?? null

const namesOf = <T>(columns: readonly Column<T>[]): readonly string[] => columns.map(([name]) => name)
const cellsOf = <T>(columns: readonly Column<T>[], line: T): readonly Cell[] => columns.map(([, cellOf]) => cellOf(line))

const MAIL_FILTERS = ['recipient', 'label', 'apiUser', 'emailType', 'fault', 'reason', 'broadcast'] as const

/** Every kind of export. */
export const EXPORT_KINDS = {
  status: {
    allowedFilters: [...MAIL_FILTERS, 'status', 'subStatus', 'requestIp', 'egressIp'],
    requiredFilters: [],
    columns: namesOf(STATUS_COLUMNS),
    readStep: (reader, input) => readMailStep(reader, input, STATUS_COLUMNS),
  },
  results: {
    allowedFilters: [...MAIL_FILTERS, 'result'],
    requiredFilters: ['broadcast'],
    columns: namesOf(RESULT_COLUMNS),
    readStep: (reader, input) => readMailStep(reader, input, RESULT_COLUMNS),
  },
  suppressions: {
    allowedFilters: ['list', 'recipient', 'apiUser', 'site', 'rule', 'proof', 'inForce'],
    requiredFilters: ['list'],
    columns: namesOf(ENTRY_COLUMNS),
    readStep: readEntryStep,
  },
  engagement: {
    allowedFilters: ['recipient', 'label', 'apiUser', 'emailType', 'broadcast', 'engagement'],
    requiredFilters: [],
    columns: namesOf(ENGAGEMENT_COLUMNS),
    readStep: readEngagementStep,
  },
} as const satisfies Readonly<Record<ExportKind, ExportKindSpec>>

async function readMailStep(
  reader: DatabaseReader,
  { account, filters, stride }: ExportStepInput,
  columns: readonly Column<MailExportRow>[],
): Promise<ExportStep> {
  const after: DeliveryCursor | null =
    stride.after === null ? null : { requestedAt: Number(stride.after['requestedAt']), deliveryId: String(stride.after['deliveryId']) }
  const { rows, next } = await scanDeliveries(reader, account, mailFilters(filters), { ...stride, after })
  const unbilled = await findUnbilledIds(reader, account, rows)
  return { rows: rows.map((row) => cellsOf(columns, { row, billable: !unbilled.has(row.deliveryId) })), next }
}

async function readEngagementStep(reader: DatabaseReader, { account, filters, stride }: ExportStepInput): Promise<ExportStep> {
  const { engagement: kind, ...others } = filters
  const { after: key } = stride
  const after: EngagementCursor | null = key === null ? null : { at: Number(key['at']), id: String(key['id']) }
  const wanted = { ...mailFilters(others), ...(kind === undefined ? {} : { kind }) }
  const { rows, next } = await scanEngagement(reader, account, wanted, { ...stride, after })
  return { rows: rows.map((row) => cellsOf(ENGAGEMENT_COLUMNS, row)), next }
}

/** No row has this hash, so a filter by text that is not an address finds nothing. */
const UNKNOWN_ADDRESS_HASH = '00'.repeat(32)
const hashOf = (address: string): string => hashAddress(address) ?? UNKNOWN_ADDRESS_HASH

function mailFilters({
  recipient,
  label,
  apiUser,
  subStatus,
  list: _list,
  engagement: _engagement,
  site: _site,
  rule: _rule,
  proof: _proof,
  inForce: _inForce,
  ...others
}: ExportFilters): DeliveryFilters {
  return {
    ...others,
    ...(recipient === undefined ? {} : { addressHash: hashOf(recipient) }),
    ...(label === undefined ? {} : { labelName: label }),
    ...(apiUser === undefined ? {} : { apiUsers: [apiUser] }),
    ...(subStatus === undefined ? {} : { subStatuses: [subStatus] }),
  }
}

async function readEntryStep(reader: DatabaseReader, { account, filters, stride, now }: ExportStepInput): Promise<ExportStep> {
  const { after: key } = stride
  const after: SuppressionCursor | null =
    key === null ? null : { from: Number(key['from']), addressHash: String(key['addressHash']), scope: String(key['scope']) }
  const { rows, next } = await scanSuppressions(reader, account, entryFilters(filters, now), { ...stride, after })
  return { rows: rows.map((row) => cellsOf(ENTRY_COLUMNS, { row, now })), next }
}

function entryFilters({ list, recipient, apiUser, site, rule, proof, inForce }: ExportFilters, now: number): SuppressionFilters {
  return {
    list: list ?? LIST_NAMES[0],
    ...(recipient === undefined ? {} : { addressHash: hashOf(recipient) }),
    ...(apiUser === undefined ? {} : { apiUsers: [apiUser] }),
    ...(site === undefined ? {} : { site }),
    ...(rule === undefined ? {} : { rule }),
    ...(proof === undefined ? {} : { proof }),
    ...(inForce === true ? { inForceAt: now } : {}),
  }
}
