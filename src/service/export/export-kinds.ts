/**
 * export-kinds - what can be exported: which filters a kind knows, which columns it has, and how its rows are walked
 *
 * `reason`, `fault` and `billable` stand beside the vendor's numbers: lists are cleaned by `fault = recipient`. The names of the columns are
 * those of our API; a released one is never renamed, and new ones come last.
 *
 * See also: service/export/exporter (who writes files of them), commands/store/export (who prints them), docs/EXPORTS.md.
 */
import { REASONS } from '../../classify/reasons.ts'
import { hashAddress } from '../../correlate/address-hash.ts'
import { LISTS } from '../../ledger/facts/fact.ts'
import { RESULT_NAMES } from '../../ledger/project/broadcast-result.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { DeliveryCursor, DeliveryFilters } from '../../store/mail/deliveries.ts'
import type { Reader } from '../../store/engine/engine.ts'
import type { ExportCursor, ExportFilters, ExportKind } from '../../store/exports.ts'
import { isInForce } from '../../store/lists/suppressions.ts'
import type { SuppressionCursor, SuppressionFilters } from '../../store/lists/suppressions.ts'
import { walkDeliveries, walkSuppressions } from '../../store/facts/scan.ts'
import { unbilledOf } from '../../store/facts/unbilled.ts'
import type { Stride, WalkedDelivery } from '../../store/facts/scan.ts'
import type { Cell } from './csv.ts'

/** Whose rows, of which time and kind, through which filters; `now` says what is in force. */
export type ExportWish = {
  readonly account: number
  readonly filters: ExportFilters
  readonly now: number
  readonly stride: Stride<ExportCursor>
}

/** Rows in the order of the columns, and the key behind which the next step begins. */
export type ExportStep = { readonly rows: readonly (readonly Cell[])[]; readonly next: ExportCursor | null }

export type KindRow = {
  readonly takes: readonly (keyof ExportFilters)[]
  readonly needs: readonly (keyof ExportFilters)[]
  readonly columns: readonly string[]
  readonly step: (reader: Reader, wish: ExportWish) => Promise<ExportStep>
}

type Column<T> = readonly [name: string, of: (line: T) => Cell]

const iso = (at: number | null): string | null => (at === null || at === 0 ? null : new Date(at).toISOString())

type MailLine = { readonly row: WalkedDelivery; readonly billable: boolean }

const WHICH: readonly Column<MailLine>[] = [
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

const WHAT: readonly Column<MailLine>[] = [
  ['status', ({ row }) => row.status],
  ['subStatus', ({ row }) => row.subStatus],
  ['asynchronousBounce', ({ row }) => row.asynchronous],
  ['reason', ({ row }) => row.reason],
  ['permanence', ({ row }) => row.permanence],
  ['fault', ({ row }) => row.fault],
  ['billable', ({ billable }) => billable],
]

const WHEN: readonly Column<MailLine>[] = [
  ['modifiedAt', ({ row }) => iso(row.modifiedAt)],
  ['deliveredAt', ({ row }) => iso(row.deliveredAt)],
  ['openedAt', ({ row }) => iso(row.openedAt)],
  ['clickedAt', ({ row }) => iso(row.clickedAt)],
]

const SAID: readonly Column<MailLine>[] = [
  ['rule', ({ row }) => row.rule],
  ['sendLog', ({ row }) => row.sendLog],
]

const STATUS: readonly Column<MailLine>[] = [
  ...WHICH,
  ...WHAT,
  ...WHEN,
  ['weak', ({ row }) => row.weak],
  ['forwarded', ({ row }) => row.forwarded],
  ['requestIp', ({ row }) => row.requestIp],
  ['egressIp', ({ row }) => row.egressIp],
  ['opens', ({ row }) => row.opens],
  ['clicks', ({ row }) => row.clicks],
  ['complaints', ({ row }) => row.complaints],
  ['unsubscribes', ({ row }) => row.unsubscribes],
  ...SAID,
]

const RESULTS: readonly Column<MailLine>[] = [
  ...WHICH,
  ['result', ({ row }) => RESULT_NAMES[row.result]],
  ['resultAt', ({ row }) => iso(row.resultAt)],
  ...WHAT,
  ...WHEN,
  ...SAID,
]

type EntryLine = { readonly row: SuppressionRow; readonly now: number }

const ENTRIES: readonly Column<EntryLine>[] = [
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
  ['inForce', ({ row, now }) => isInForce(row, now)],
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

/** An entry bears the reason of its cause, where a verdict was the cause. */
const FAULT_OF: Readonly<Record<string, { readonly fault: string }>> = REASONS
const faultOf = (reason: string): string | null => FAULT_OF[reason]?.fault ?? null

const namesOf = <T>(columns: readonly Column<T>[]): readonly string[] => columns.map(([name]) => name)
const cellsOf = <T>(columns: readonly Column<T>[], line: T): readonly Cell[] => columns.map(([, of]) => of(line))

const OF_MAILS = ['recipient', 'label', 'apiUser', 'emailType', 'fault', 'reason', 'broadcast'] as const

export const EXPORT_KINDS = {
  status: {
    takes: [...OF_MAILS, 'status', 'subStatus', 'requestIp', 'egressIp'],
    needs: [],
    columns: namesOf(STATUS),
    step: (reader, wish) => stepMails(reader, wish, STATUS),
  },
  results: {
    takes: [...OF_MAILS, 'result'],
    needs: ['broadcast'],
    columns: namesOf(RESULTS),
    step: (reader, wish) => stepMails(reader, wish, RESULTS),
  },
  suppressions: {
    takes: ['list', 'recipient', 'apiUser', 'site', 'rule', 'inForce'],
    needs: ['list'],
    columns: namesOf(ENTRIES),
    step: stepEntries,
  },
} as const satisfies Readonly<Record<ExportKind, KindRow>>

async function stepMails(
  reader: Reader,
  { account, filters, stride }: ExportWish,
  columns: readonly Column<MailLine>[],
): Promise<ExportStep> {
  const after: DeliveryCursor | null =
    stride.after === null ? null : { requestedAt: Number(stride.after['requestedAt']), deliveryId: String(stride.after['deliveryId']) }
  const { rows, next } = await walkDeliveries(reader, account, mailFilters(filters), { ...stride, after })
  const free = await unbilledOf(reader, account, rows)
  return { rows: rows.map((row) => cellsOf(columns, { row, billable: !free.has(row.deliveryId) })), next }
}

/** An address that is none was never sent to: it finds nothing. */
const NOBODY = '00'.repeat(32)
const hashOf = (address: string): string => hashAddress(address) ?? NOBODY

function mailFilters({
  recipient,
  label,
  apiUser,
  subStatus,
  list: _list,
  site: _site,
  rule: _rule,
  inForce: _inForce,
  ...same
}: ExportFilters): DeliveryFilters {
  return {
    ...same,
    ...(recipient === undefined ? {} : { addressHash: hashOf(recipient) }),
    ...(label === undefined ? {} : { labelName: label }),
    ...(apiUser === undefined ? {} : { apiUsers: [apiUser] }),
    ...(subStatus === undefined ? {} : { subStatuses: [subStatus] }),
  }
}

async function stepEntries(reader: Reader, { account, filters, stride, now }: ExportWish): Promise<ExportStep> {
  const { after: key } = stride
  const after: SuppressionCursor | null =
    key === null ? null : { from: Number(key['from']), addressHash: String(key['addressHash']), scope: String(key['scope']) }
  const { rows, next } = await walkSuppressions(reader, account, entryFilters(filters, now), { ...stride, after })
  return { rows: rows.map((row) => cellsOf(ENTRIES, { row, now })), next }
}

function entryFilters({ list, recipient, apiUser, site, rule, inForce }: ExportFilters, now: number): SuppressionFilters {
  return {
    list: list ?? LISTS[0],
    ...(recipient === undefined ? {} : { addressHash: hashOf(recipient) }),
    ...(apiUser === undefined ? {} : { apiUsers: [apiUser] }),
    ...(site === undefined ? {} : { site }),
    ...(rule === undefined ? {} : { rule }),
    ...(inForce === true ? { inForceAt: now } : {}),
  }
}
