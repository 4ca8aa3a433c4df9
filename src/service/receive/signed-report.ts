/**
 * signed-report - the report that a good signature covers, read instead of the whole mail
 *
 * A report of a feedback loop is read as its signer wrote it, whatever else the mail says. A complaint or TLS report that somebody else signed is read so only
 * if the rest of the mail agrees on what it is. Other mail is read whole: its proof is the token in it.
 *
 * See also: correlate/report-signature (which signature is good), mail/signed-content, service/receive/prepare.
 */
import { NO_SIGNATURE, readReportSignature, type ReportSignature } from '../../correlate/report-signature.ts'
import type { AuthenticationResults } from '../../mail-auth/verify-signatures.ts'
import { parseReport } from '../../mail/report-parser.ts'
import type { Report } from '../../mail/report.ts'
import type { Context } from '../context.ts'
import type { IncomingMail } from './incoming-mail.ts'
import { oncePerData } from './once-per-data.ts'

type VerifiedReport = { readonly report: Report; readonly authentication: AuthenticationResults }

/** `signedReport` null: the whole mail is read. */
export type SignedReading = { readonly signature: ReportSignature; readonly signedReport: Report | null }

/** Whether a signature matters beside a token: an account may require it, and facts say which it was. */
export const isProvenBySignature = ({ kind }: Report): boolean => kind === 'complaint' || kind === 'not-spam' || kind === 'tls-report'

/** The signature of a mail, and what it covers, read once for all recipients of a DATA command. */
export function readSignedReport(mail: IncomingMail, verified: VerifiedReport, context: Context): SignedReading {
  const known = readOnce(mail, verified, context)
  // A mail that is verified again keeps its bytes.
  return known.authentication === verified.authentication ? known.reading : readSigned(mail, verified, context)
}

const readOnce = oncePerData((mail: IncomingMail, verified: VerifiedReport, context: Context) => ({
  authentication: verified.authentication,
  reading: readSigned(mail, verified, context),
}))

function readSigned(mail: IncomingMail, { report, authentication }: VerifiedReport, context: Context): SignedReading {
  const { signature, content } = readReportSignature({ raw: mail.raw, from: report.from }, authentication.dkim, context.reporters)
  if (signature.state !== 'good' || content === null) return { signature, signedReport: null }
  if (signature.reporter === null && !isProvenBySignature(report)) return { signature, signedReport: null }
  const signedReport = parseOrUnreadable(content, mail, context)
  const isAgreed = signature.reporter !== null || signedReport.kind === report.kind
  return isAgreed ? { signature, signedReport } : { signature: NO_SIGNATURE, signedReport: null }
}

/** `parseReport` never throws. If a defect makes it throw, the mail becomes an `unreadable` report and the batch continues. */
export function parseOrUnreadable(raw: Uint8Array, { sessionId }: IncomingMail, context: Context): Report {
  try {
    return parseReport(raw)
  } catch (error) {
    context.telemetry.log.error({ sessionId, err: error }, 'mail could not be parsed; it is stored as unreadable')
    return parseReport(new Uint8Array(0))
  }
}
