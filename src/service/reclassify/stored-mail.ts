/**
 * stored-mail - the recipient group of a stored report that a failure fact came from
 *
 * Reads the stored mail as it was read on arrival: what a good signature covers, by the results that were stored then. A mail that the
 * present parser reads otherwise is not used, because only the rules are to differ.
 *
 * See also: service/receive/prepare (reads mails on arrival), ledger/decide/stored-reply.
 */
import type { StoredGroup } from '../../ledger/decide/stored-reply.ts'
import type { FailedData } from '../../ledger/facts/delivery-facts.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../mail-auth/verify-signatures.ts'
import type { RecipientReport } from '../../mail/report.ts'
import { findRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { findReportForOperator, type ReportRow } from '../../store/mail/reports.ts'
import type { Context } from '../context.ts'
import type { IncomingMail } from '../receive/incoming-mail.ts'
import { parseOrUnreadable, readSignedReport } from '../receive/signed-report.ts'
import { runInOwnSlice } from '../time-slice.ts'

/** Finds the group of a fact. Null: the fact came from no mail, or the mail is not stored, or it reads otherwise now. Faults: store_busy. */
export async function findStoredGroup(context: Context, fact: Fact): Promise<StoredGroup | null> {
  if (fact.kind !== 'failed' || fact.data.digest === null) return null
  const { digest } = fact.data
  const [report, raw] = await Promise.all([
    findReportForOperator(context.engine.bulkRead, digest),
    findRawMailForOperator(context.engine.bulkRead, digest),
  ])
  if (report === null || raw === null) return null
  const { data } = fact
  return runInOwnSlice(() => readGroup(context, incomingMailOf(report, raw), { report, data }))
}

function readGroup(
  context: Context,
  mail: IncomingMail,
  { report: row, data }: { readonly report: ReportRow; readonly data: FailedData },
): StoredGroup | null {
  const whole = parseOrUnreadable(mail.raw, mail, context)
  const authentication = row.auth ?? NO_AUTHENTICATION_RESULTS
  const { signature, signedReport } = readSignedReport(mail, { report: whole, authentication }, context)
  const report = signedReport ?? whole
  const group = report.recipients.find((each) => isSameGroup(each, data))
  if (group === undefined) return null
  return { group, dkimDomain: signature.state === 'good' ? signature.domain : null, reporter: report.from }
}

/** Whether a group is the one that a fact stores. An erased recipient is not compared. */
function isSameGroup(group: RecipientReport, data: FailedData): boolean {
  const text = group.reply.text === '' ? group.text : group.reply.text
  const isSameRecipient = data.reported === null || data.reported === group.recipient
  const isSameReply = data.verdict === null || (data.verdict.code === group.reply.code && data.verdict.replyStatus === group.reply.status)
  return group.action === 'failed' && isSameRecipient && isSameReply && group.status === data.reportStatus && text.startsWith(data.text)
}

function incomingMailOf(report: ReportRow, raw: Uint8Array): IncomingMail {
  const { size, truncated, mailFrom: from, rcptTo: to, peer, sessionId, receivedAt } = report
  const times = { at: receivedAt, receivedAt }
  return {
    raw,
    size,
    truncated,
    dataDigest: '',
    envelope: { from, to },
    peer,
    helo: null,
    ...times,
    source: 'replay',
    trustAs: null,
    sessionId,
  }
}
