/**
 * prepare - what can be known of a mail before the store is asked
 *
 * Reads the report, its clues and, where they could matter, its signatures. All of it happens outside the
 * transaction, so that a slow DNS or a large mail delays nobody else's commit. A reader that throws has met the poisonous mail: it
 * becomes an `unreadable` report, and the fault is told.
 *
 * See also: service/receive/receive, mail/report, mail-auth/verify-signatures.
 */
import { cluesOf, type Clue } from '../../correlate/references.ts'
import { NO_PROOFS, type Proofs, type Provable, type Prover } from '../../mail-auth/verify-signatures.ts'
import { parseReport, type Report, type ReportKind } from '../../mail/report.ts'
import type { Page } from '../account-cache.ts'
import { reportDigest, type IncomingMail } from './incoming-mail.ts'
import type { Shop } from '../context.ts'

export type Prepared = {
  readonly mail: IncomingMail
  readonly digest: string
  readonly report: Report
  readonly clues: readonly Clue[]
  readonly proofs: Proofs
}

/** Kinds of which a valid token is enough, or that change nothing: their signatures are not asked for. */
const NEEDS_PROOF: Readonly<Partial<Record<ReportKind, boolean>>> = { complaint: true, 'not-spam': true }

/** Prepares one mail. Rejects only when the machine fails, never for what a mail says. */
export async function prepare(shop: Shop, prover: Prover, page: Page, mail: IncomingMail): Promise<Prepared> {
  const report = readSafely(shop, mail)
  const clues = cluesOf({ report, rcpt: mail.envelope.to, domains: shop.domains, keyFor: page.keyFor })
  const hasToken = clues.some((clue) => 'token' in clue && clue.token.state === 'valid')
  const isAsked = NEEDS_PROOF[report.kind] === true || !hasToken || (report.kind === 'bounce' && feedsShared(page, clues))
  const isWorthProof = clues.length > 0 && !mail.truncated && isAsked
  const proofs = isWorthProof ? await prover(provable(mail), mail.receivedAt) : NO_PROOFS
  return { mail, digest: reportDigest(mail.dataDigest, mail.envelope.to), report, clues, proofs }
}

/** The list that accounts share believes a signature beside the token, and nothing less. */
function feedsShared(page: Page, clues: readonly Clue[]): boolean {
  return clues.some((clue) => {
    const owner = 'token' in clue ? page.accountOf(clue.token.account) : null
    return owner !== null && page.settingsOf(owner.account).sharedList
  })
}

const provable = ({ raw, peer, helo, envelope }: IncomingMail): Provable => ({ raw, peer, helo, from: envelope.from })

/** The reader is total; should it throw all the same, that is our fault and not the end of the batch. */
function readSafely(shop: Shop, mail: IncomingMail): Report {
  try {
    return parseReport(mail.raw)
  } catch (error) {
    shop.telemetry.log.error({ sessionId: mail.sessionId, err: error }, 'a mail could not be read; it is kept raw')
    return parseReport(new Uint8Array(0))
  }
}
