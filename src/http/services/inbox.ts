/**
 * inbox - reads and resolves the inbound mails that need a decision by a person
 *
 * See also: http/api/inbox, service/receive/inbox, store/mail/inbox.
 */
import type { InboxReason, InboxState } from '../../ledger/facts/inbox-facts.ts'
import type { InboxRow } from '../../ledger/project/state.ts'
import type { SignatureVerifier } from '../../mail-auth/verify-signatures.ts'
import type { Context } from '../../service/context.ts'
import { createInboxCommandRunner, type RunInboxCommand } from '../../service/receive/inbox.ts'
import { findInboxItem, findInboxItemsForOperator, listInbox, listInboxForOperator, type InboxFilters } from '../../store/mail/inbox.ts'
import { findRawMail, findRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { CURSOR_SCHEMAS, decodeCursor, nextCursor, type CursorPage } from '../server/cursor.ts'
import { omitNullish } from '../server/omit-nullish.ts'

type InboxQuery = {
  readonly state: InboxState | null
  readonly reason: InboxReason | null
  readonly after: string | null
  readonly limit: number
}

/** Account null: the items of all accounts, for the operator. */
export type InboxService = {
  /** Faults: bad_request (an invalid cursor). */
  readonly list: (account: number | null, query: InboxQuery) => Promise<CursorPage<InboxRow>>
  /** One item with its raw mail. `raw` is null once the raw mail has expired. */
  readonly find: (account: number | null, digest: string) => Promise<{ readonly row: InboxRow; readonly raw: Uint8Array | null } | null>
  /** Accepts, discards, replays or links one item. */
  readonly resolve: RunInboxCommand
}

/** Creates the service. */
export function createInboxService(context: Context, verifier: SignatureVerifier): InboxService {
  const { read } = context.engine
  return {
    list: async (account, query) => {
      const after = decodeCursor(query.after, CURSOR_SCHEMAS.item)
      const page = { limit: query.limit, ...(after === null ? {} : { after }) }
      const filters = omitNullish<InboxFilters>({ state: query.state, reason: query.reason })
      const rows = await (account === null ? listInboxForOperator(read, filters, page) : listInbox(read, account, filters, page))
      return { rows, next: nextCursor(rows, query.limit, ({ receivedAt, digest }) => ({ receivedAt, digest })) }
    },
    find: async (account, digest) => {
      const row = account === null ? (await findInboxItemsForOperator(read, [digest]))[0] : await findInboxItem(read, account, digest)
      if (!row) return null
      return { row, raw: await (account === null ? findRawMailForOperator(read, digest) : findRawMail(read, account, digest)) }
    },
    resolve: createInboxCommandRunner(context, verifier),
  }
}
