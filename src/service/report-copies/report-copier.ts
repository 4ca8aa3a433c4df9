/**
 * report-copier - sends the copies of reports that are due
 *
 * A copy leaves by the connections of the delivery queue, or through a smart host, with the null sender. What the server refuses for good is not sent
 * again; other failures are retried for a day. An address gets a limited number of copies in an hour, whichever accounts name it; the rest are dropped, and
 * counted. Nodes share the work, and a copy whose outcome is unknown after a crash may be sent twice.
 *
 * RFC 5321 §4.5.4.1, §4.5.5. See also: compose/report-copy, store/mail/report-copies, daemon/delivery/report-copies (the transport), docs/DELIVERY.md.
 */
import { copyRecipientOf, writeReportCopy } from '../../compose/report-copy.ts'
import { normaliseAddress } from '../../correlate/address-hash.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { signMail, type DkimSigner } from '../../mail-auth/dkim-sign.ts'
import type { Transport } from '../../smtp-client/transport.ts'
import { findDeliveriesByIds } from '../../store/mail/deliveries.ts'
import { findRawMail } from '../../store/mail/raw-mail.ts'
import {
  claimReportCopiesForOperator,
  countReportCopiesForOperator,
  isReportCopyDueForOperator,
  updateReportCopy,
  type ReportCopyRow,
  type ReportCopyState,
} from '../../store/mail/report-copies.ts'
import type { Context } from '../context.ts'
import { createTicker, type Ticker } from '../ticker.ts'
import { isForeignAddress } from './plan-copy.ts'

type ReportCopierOptions = {
  readonly transport: Pick<Transport, 'send'>
  readonly egressIp: string
  readonly from: string
  readonly perAddressHour: number
  /** The MAC of a text, in hex. */
  readonly sign: (text: string) => string
  /** The keys of an account for a domain; none: the copy is not signed. */
  readonly findKeys: (account: number, domain: string) => Promise<readonly DkimSigner[]>
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const CLAIM_LIMIT = 8
/** Many times what eight sessions take. */
const LEASE_MS = 15 * MINUTE_MS
const TICK_INTERVAL_MS = 10_000
/** From a quarter-hour on the delay doubles; after these tries, a day is over. */
const FIRST_DELAY_MS = 15 * MINUTE_MS
const MAX_TRIES = 8

/** Creates the copier. It sends what is due with each tick. */
export function createReportCopier(context: Context, options: ReportCopierOptions): Ticker {
  const { engine, now, telemetry } = context
  const sendDue = async (isStopped: () => boolean): Promise<void> => {
    for (let isDue = await isReportCopyDueForOperator(engine.read, now()); isDue && !isStopped();) {
      const claim = { now: now(), leaseUntil: now() + LEASE_MS, limit: CLAIM_LIMIT }
      const claimed = await engine.tx((db) => claimReportCopiesForOperator(db, claim), { visibility: 'latest' })
      // One after the other, so that each sees how many the address has.
      for (const row of claimed) await sendAndSettle(context, options, row)
      isDue = claimed.length === CLAIM_LIMIT
    }
  }
  const onError = (error: unknown): void =>
    telemetry.log.error({ err: error }, 'copies of reports could not be sent; they will be sent later')
  return createTicker({ intervalMs: TICK_INTERVAL_MS, run: sendDue, onError })
}

async function sendAndSettle(context: Context, options: ReportCopierOptions, row: ReportCopyRow): Promise<void> {
  const state = await sendCopy(context, options, row)
  const { account, deliveryId, kind, tries } = row
  const outcome = state === 'waiting' && tries >= MAX_TRIES ? 'failed' : state
  const dueAt = outcome === 'waiting' ? context.now() + FIRST_DELAY_MS * 2 ** (tries - 1) : row.dueAt
  await context.engine.tx((db) => updateReportCopy(db, row, { state: outcome, dueAt }))
  context.telemetry.count('bounced_report_copies_total', { outcome: outcome === 'waiting' ? 'deferred' : outcome })
  context.telemetry.log.info({ account, deliveryId, kind, tries, outcome }, 'copy of a report')
}

/** One try. Resolves to the state that follows; `waiting`: try again. */
async function sendCopy(context: Context, options: ReportCopierOptions, row: ReportCopyRow): Promise<ReportCopyState> {
  const { account, deliveryId, digest, kind } = row
  const { engine, now, telemetry } = context
  const snapshot = await context.accountCache.snapshot()
  const [[delivery], raw] = await Promise.all([
    findDeliveriesByIds(engine.read, account, [deliveryId]),
    findRawMail(engine.read, account, digest),
  ])
  const to = delivery === undefined ? null : copyRecipientOf(snapshot.settingsOf(account), delivery.from)
  const address = to === null ? null : normaliseAddress(to)
  // The setting was turned off, the mail was erased, or the domain has become ours.
  if (delivery === undefined || raw === null || address === null || !isForeignAddress(context, snapshot, address.address)) return 'failed'
  const sentInHour = await countReportCopiesForOperator(engine.read, address.hash, now() - HOUR_MS)
  if (sentInHour >= options.perAddressHour) return 'limited'
  const mail = await writeSignedCopy(options, { row, delivery, raw, to: address.address, date: now() })
  const outcome = await options.transport.send({
    egressIp: options.egressIp,
    domain: address.domain,
    mailFrom: '',
    to: address.address,
    raw: mail,
    isProbe: false,
    deliveryId,
  })
  telemetry.log.debug({ account, deliveryId, kind, outcome: outcome.kind, text: outcome.text }, 'copy of a report tried')
  if (outcome.kind === 'error') return 'waiting'
  return outcome.code < 300 ? 'sent' : outcome.code < 500 ? 'waiting' : 'failed'
}

type CopyParts = {
  readonly row: ReportCopyRow
  readonly delivery: DeliveryRow
  readonly raw: Uint8Array
  readonly to: string
  readonly date: number
}

async function writeSignedCopy(options: ReportCopierOptions, { row, delivery, raw, to, date }: CopyParts): Promise<Buffer> {
  const { from, sign, findKeys } = options
  const { account, digest, kind } = row
  // A digest of the report: the deliveryId stays inside.
  const id = digest.slice(0, 32)
  const about = { recipient: delivery.recipient, subject: delivery.subject, sentAt: delivery.requestedAt }
  const mail = writeReportCopy({ from, to, date, id, mac: sign(`${id}/${to}`), kind, about, raw })
  return signMail(mail, await findKeys(account, from.slice(from.lastIndexOf('@') + 1)), date)
}
