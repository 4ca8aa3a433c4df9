/**
 * prepare - parses a mail, finds its references and verifies its signatures
 *
 * Runs outside the transaction, so that slow DNS or a large mail does not delay other commits. Verifies signatures only where the result
 * matters.
 *
 * See also: service/receive/receive, mail/report, mail-auth/verify-signatures.
 */
import { findReferences, type MailReference } from '../../correlate/references.ts'
import {
  NO_AUTHENTICATION_RESULTS,
  type AuthenticationResults,
  type MailToVerify,
  type SignatureVerifier,
} from '../../mail-auth/verify-signatures.ts'
import { parseReport } from '../../mail/report-parser.ts'
import type { Report, ReportKind } from '../../mail/report.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { reportDigest, type IncomingMail } from './incoming-mail.ts'
import type { Context } from '../context.ts'
import { oncePerData } from './once-per-data.ts'

export type PreparedMail = {
  readonly mail: IncomingMail
  readonly digest: string
  readonly report: Report
  readonly references: readonly MailReference[]
  readonly authentication: AuthenticationResults
}

/** Kinds that need a signature in addition to a valid token. For other kinds the token is enough, or they change nothing. */
const KINDS_NEEDING_PROOF: Readonly<Partial<Record<ReportKind, boolean>>> = { complaint: true, 'not-spam': true }

/** Prepares one mail. Never rejects because of the content of a mail. */
export async function prepareMail(
  context: Context,
  verifySignatures: SignatureVerifier,
  snapshot: AccountSnapshot,
  mail: IncomingMail,
): Promise<PreparedMail> {
  const report = parseOnce(mail, context)
  const references = findReferences({ report, rcpt: mail.envelope.to, domains: context.domains, keyFor: snapshot.keyFor })
  const hasToken = references.some((reference) => 'token' in reference && reference.token.state === 'valid')
  const isProofRequired = KINDS_NEEDING_PROOF[report.kind] === true || !hasToken
  const shouldVerify = references.length > 0 && !mail.truncated && isProofRequired
  const authentication = shouldVerify ? await verifySignatures(mailToVerify(mail), mail.receivedAt) : NO_AUTHENTICATION_RESULTS
  const digest = reportDigest(mail.dataDigest, mail.envelope.to)
  context.telemetry.log.debug(
    { sessionId: mail.sessionId, digest, kind: report.kind, references: references.length, hasToken, shouldVerify },
    'mail parsed',
  )
  return { mail, digest, report, references, authentication }
}

const mailToVerify = ({ raw, peer, helo, envelope }: IncomingMail): MailToVerify => ({ raw, peer, helo, from: envelope.from })

/** The report of a mail, parsed once whatever the number of its recipients. */
const parseOnce = oncePerData(parseSafely)

/** `parseReport` never throws. If a defect makes it throw, the mail becomes an `unreadable` report and the batch continues. */
function parseSafely(mail: IncomingMail, context: Context): Report {
  const startedAt = performance.now()
  try {
    return parseReport(mail.raw)
  } catch (error) {
    context.telemetry.log.error({ sessionId: mail.sessionId, err: error }, 'mail could not be parsed; it is stored as unreadable')
    return parseReport(new Uint8Array(0))
  } finally {
    context.telemetry.observe('bounced_receive_stage_seconds', (performance.now() - startedAt) / 1_000, { stage: 'parse' })
  }
}
