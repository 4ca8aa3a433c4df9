/**
 * prepare - what can be known of a mail before the store is asked
 *
 * Reads the report, its clues and, where they could matter, its signatures. All of it happens outside the
 * transaction, so that a slow DNS or a large mail delays nobody else's commit. A reader that throws has met the poisonous mail: it
 * becomes an `unreadable` report, and the fault is told.
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
import { parseReport, type Report, type ReportKind } from '../../mail/report.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { reportDigest, type IncomingMail } from './incoming-mail.ts'
import type { Context } from '../context.ts'

export type PreparedMail = {
  readonly mail: IncomingMail
  readonly digest: string
  readonly report: Report
  readonly references: readonly MailReference[]
  readonly proofs: AuthenticationResults
}

/** Kinds of which a valid token is enough, or that change nothing: their signatures are not asked for. */
const KINDS_NEEDING_PROOF: Readonly<Partial<Record<ReportKind, boolean>>> = { complaint: true, 'not-spam': true }

/** Prepares one mail. Rejects only when the machine fails, never for what a mail says. */
export async function prepareMail(
  context: Context,
  prover: SignatureVerifier,
  snapshot: AccountSnapshot,
  mail: IncomingMail,
): Promise<PreparedMail> {
  const report = parseSafely(context, mail)
  const references = findReferences({ report, rcpt: mail.envelope.to, domains: context.domains, keyFor: snapshot.keyFor })
  const hasToken = references.some((reference) => 'token' in reference && reference.token.state === 'valid')
  const isProofRequired =
    KINDS_NEEDING_PROOF[report.kind] === true || !hasToken || (report.kind === 'bounce' && feedsSharedList(snapshot, references))
  const shouldVerify = references.length > 0 && !mail.truncated && isProofRequired
  const proofs = shouldVerify ? await prover(provableOf(mail), mail.receivedAt) : NO_AUTHENTICATION_RESULTS
  return { mail, digest: reportDigest(mail.dataDigest, mail.envelope.to), report, references, proofs }
}

/** The list that accounts share believes a signature beside the token, and nothing less. */
function feedsSharedList(snapshot: AccountSnapshot, references: readonly MailReference[]): boolean {
  return references.some((reference) => {
    const owner = 'token' in reference ? snapshot.accountOf(reference.token.account) : null
    return owner !== null && snapshot.settingsOf(owner.account).sharedList
  })
}

const provableOf = ({ raw, peer, helo, envelope }: IncomingMail): MailToVerify => ({ raw, peer, helo, from: envelope.from })

/** The reader is total; should it throw all the same, that is our fault and not the end of the batch. */
function parseSafely(context: Context, mail: IncomingMail): Report {
  try {
    return parseReport(mail.raw)
  } catch (error) {
    context.telemetry.log.error({ sessionId: mail.sessionId, err: error }, 'a mail could not be read; it is kept raw')
    return parseReport(new Uint8Array(0))
  }
}
