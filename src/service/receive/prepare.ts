/**
 * prepare - parses a mail, finds its references and verifies its signatures
 *
 * Runs outside the transaction, so that slow DNS or a large mail does not delay other commits. Verifies signatures only where the result
 * matters.
 *
 * See also: service/receive/receive, mail/report, mail-auth/verify-signatures.
 */
import { findReferences, type MailReference } from '../../correlate/references.ts'
import { isSigningReporterFrom } from '../../correlate/reporter.ts'
import type { ReportSignature } from '../../correlate/report-signature.ts'
import {
  NO_AUTHENTICATION_RESULTS,
  type AuthenticationResults,
  type MailToVerify,
  type SignatureVerifier,
} from '../../mail-auth/verify-signatures.ts'
import type { Report } from '../../mail/report.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { reportDigest, type IncomingMail } from './incoming-mail.ts'
import type { Context } from '../context.ts'
import { createTaskSeries, runInOwnSlice } from '../time-slice.ts'
import { oncePerData } from './once-per-data.ts'
import { isProvenBySignature, parseOrUnreadable, readSignedReport, type SignedReading } from './signed-report.ts'

export type PreparedMail = {
  readonly mail: IncomingMail
  readonly digest: string
  /** What a good signature covers, if there is one; else the whole mail. */
  readonly report: Report
  readonly references: readonly MailReference[]
  readonly authentication: AuthenticationResults
  readonly signature: ReportSignature
}

/** Prepares one mail. Never rejects because of the content of a mail. */
export async function prepareMail(
  context: Context,
  verifySignatures: SignatureVerifier,
  snapshot: AccountSnapshot,
  mail: IncomingMail,
): Promise<PreparedMail> {
  const report = await parseOnce(mail, context)
  const findReferencesOf = (each: Report): readonly MailReference[] =>
    findReferences({
      report: each,
      rcpt: mail.envelope.to,
      domains: context.domains,
      keyFor: snapshot.keyFor,
      verpAddresses: snapshot.verpAddresses,
    })
  const references = findReferencesOf(report)
  const hasToken = references.some((reference) => 'token' in reference && reference.token.state === 'valid')
  const isProofRequired = isProvenBySignature(report) || !hasToken || isSigningReporterFrom(context.reporters, report.from)
  // A TLS report names no mail of ours.
  const hasSubject = references.length > 0 || report.kind === 'tls-report'
  const shouldVerify = hasSubject && !mail.truncated && isProofRequired
  const authentication = shouldVerify ? await verifySignatures(mailToVerify(mail), mail.receivedAt) : NO_AUTHENTICATION_RESULTS
  const digest = reportDigest(mail.dataDigest, mail.envelope.to)
  context.telemetry.log.debug(
    { sessionId: mail.sessionId, digest, kind: report.kind, references: references.length, hasToken, shouldVerify },
    'mail parsed',
  )
  const readSigned = (): SignedReading => readSignedReport(mail, { report, authentication }, context)
  const { signature, signedReport } = isLarge(mail) ? await runInOwnSlice(readSigned) : readSigned()
  if (signedReport === null) return { mail, digest, report, references, authentication, signature }
  return { mail, digest, report: signedReport, references: findReferencesOf(signedReport), authentication, signature }
}

const mailToVerify = ({ raw, peer, helo, envelope }: IncomingMail): MailToVerify => ({ raw, peer, helo, from: envelope.from })

/** Mails that arrive together are parsed together. */
const parseInSeries = createTaskSeries()

/** The report of a mail, parsed once whatever the number of its recipients. */
const parseOnce = oncePerData(async (mail: IncomingMail, context: Context) =>
  isLarge(mail) ? runInOwnSlice(() => parseSafely(mail, context)) : parseInSeries(() => parseSafely(mail, context)),
)

/** A mail of 5 MB takes tens of milliseconds; most of this size, less than two. */
const LARGE_BYTES = 262_144

const isLarge = ({ raw }: IncomingMail): boolean => raw.length >= LARGE_BYTES

/** The parsed report, and how long it took. */
function parseSafely(mail: IncomingMail, context: Context): Report {
  const startedAt = performance.now()
  try {
    return parseOrUnreadable(mail.raw, mail, context)
  } finally {
    context.telemetry.observe('bounced_receive_stage_seconds', (performance.now() - startedAt) / 1_000, { stage: 'parse' })
  }
}
