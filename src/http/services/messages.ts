/**
 * messages - reads the deliveries of an account: one with its timeline, or a page of them by filters
 *
 * See also: http/api/messages, http/sendcloud/email-status, http/engagelab/email-status, store/mail/deliveries.
 */
import { copyHandleOf } from '../../correlate/api-handle.ts'
import type { EmailType } from '../../ledger/facts/delivery-facts.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { WaitingReason } from '../../queue/observe/waiting-reason.ts'
import { findWaitingReason } from '../../service/deliver/observe/waiting-message.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { readTimelineByEmailId } from '../../store/facts/facts.ts'
import { findUnbilledIds } from '../../store/facts/unbilled.ts'
import {
  findDeliveriesByEmailIds,
  findDeliveryIdByCopyHandle,
  isFoundByIndex,
  listDeliveries,
  type DeliveryCursor,
  type DeliveryFilters,
} from '../../store/mail/deliveries.ts'
import { CURSOR_SCHEMAS, decodeCursor, nextCursor, type CursorPage } from '../server/cursor.ts'
import { omitNullish } from '../server/omit-nullish.ts'
import { toAddressHashFilter } from './address-filter.ts'
import { MAX_SHORT_OFFSET, type WideReader } from './wide-reader.ts'

/** Which deliveries to list. Null means no filter. `from` (inclusive) and `until` (exclusive) limit the time of the request. */
export type StatusQuery = {
  readonly email: string | null
  readonly emailIds: readonly string[] | null
  readonly labelId: number | null
  /** Part of a label's name. */
  readonly labelName: string | null
  /** The domain of the recipient. */
  readonly domain?: string | null
  /** The reason of the verdict. */
  readonly reason?: string | null
  readonly from: number | null
  readonly until: number | null
  readonly apiUsers: readonly string[] | null
  readonly status: number | null
  readonly subStatuses: readonly number[] | null
  readonly requestIp: string | null
  readonly egressIp: string | null
  readonly emailType: EmailType | null
  readonly after: string | null
  readonly withTotal: boolean
  readonly offset: number
  readonly limit: number
}

export type MessageService = {
  /** One delivery with its facts, and why it waits in our queue (null: it does not); null if the account has no such delivery. */
  readonly find: (
    account: number,
    emailId: string,
  ) => Promise<{ readonly row: DeliveryRow; readonly facts: readonly Fact[]; readonly waiting: WaitingReason | null } | null>
  /** A page of deliveries, newest first. `total` is null unless the query asks for it. Faults: bad_request (an invalid cursor). */
  readonly list: (account: number, query: StatusQuery) => Promise<CursorPage<DeliveryRow> & { readonly total: number | null }>
  /** The delivery IDs among these rows that are not billed. */
  readonly findUnbilled: (account: number, rows: readonly DeliveryRow[]) => Promise<ReadonlySet<string>>
}

/**
 * `listRead` may be some seconds behind: a client asks for one message right after it has sent it. `wideRead` takes what may read millions of rows:
 * the number of all matches, lists that no index finds, and pages far from the first. No short query waits for it.
 */
type MessageReaders = {
  readonly read: DatabaseReader
  readonly listRead: DatabaseReader
  readonly wideRead: WideReader
  readonly now: () => number
}

const STATUS_SENDING = 18

/** Creates the service on its readers. */
export function createMessageService({ read, listRead, wideRead, now }: MessageReaders): MessageService {
  return {
    find: async (account, emailId) => {
      const [[row], facts] = await Promise.all([
        findDeliveriesByEmailIds(read, account, [emailId]),
        readTimelineByEmailId(read, account, emailId),
      ])
      if (row === undefined) return null
      const waiting = row.status === STATUS_SENDING ? await findWaitingReason(read, { account, deliveryId: row.deliveryId }, now()) : null
      return { row, facts, waiting }
    },
    list: async (account, query) => {
      const after = await resolveCursor(listRead, account, query.after)
      const page = {
        start: query.offset,
        limit: query.limit,
        ...(query.withTotal ? { countOn: wideRead(account) } : {}),
        ...(after === null ? {} : { after }),
      }
      const filters = toDeliveryFilters(query)
      const isShort = isFoundByIndex(filters) && query.offset <= MAX_SHORT_OFFSET
      const { rows, total } = await listDeliveries(isShort ? listRead : wideRead(account), account, filters, page)
      return { rows, total, next: nextCursor(rows, query.limit, cursorKeyOf) }
    },
    findUnbilled: (account, rows) => findUnbilledIds(listRead, account, rows),
  }
}

function cursorKeyOf({ requestedAt, deliveryId, emailId }: DeliveryRow): object {
  const copy = emailId === null ? null : copyHandleOf(emailId)
  return copy === null ? { requestedAt, deliveryId } : { requestedAt, copy }
}

/** Higher than every deliveryId: if the delivery of a cursor has been retired, the others of its millisecond are listed once more. */
const ANY_DELIVERY = '~'

async function resolveCursor(reader: DatabaseReader, account: number, text: string | null): Promise<DeliveryCursor | null> {
  const after = decodeCursor(text, CURSOR_SCHEMAS.mail)
  if (after === null || 'deliveryId' in after) return after
  const { requestedAt, copy } = after
  return { requestedAt, deliveryId: (await findDeliveryIdByCopyHandle(reader, account, copy)) ?? ANY_DELIVERY }
}

function toDeliveryFilters(query: StatusQuery): DeliveryFilters {
  return omitNullish<DeliveryFilters>({
    from: query.from,
    to: query.until,
    addressHash: toAddressHashFilter(query.email),
    emailIds: query.emailIds,
    labelIds: query.labelId === null ? null : [query.labelId],
    labelName: query.labelName,
    domain: query.domain,
    reason: query.reason,
    apiUsers: query.apiUsers,
    status: toStatusFilter(query.status),
    subStatuses: query.subStatuses,
    requestIp: query.requestIp,
    egressIp: query.egressIp,
    emailType: query.emailType,
  })
}

/** An unknown status is a filter that matches nothing, not a missing filter. */
function toStatusFilter(status: number | null): DeliveryFilters['status'] | null {
  // Checked cast: the column holds only known statuses, so any other number matches no row.
  return status === null ? null : (status as NonNullable<DeliveryFilters['status']>)
}
