/**
 * match-and-decide - matches prepared mails against the loaded ledger state and decides their facts
 *
 * Used for received mails and for inbox commands, so that a mail accepted a day later changes the same as if it had been accepted at once. A
 * mail that concerns a blocked token or account goes to the inbox.
 *
 * See also: service/receive/receive, service/receive/inbox, correlate/match, ledger/decide/report.
 */
import { classify } from '../../classify/classify.ts'
import { classifierInputOfReport } from '../../classify/classifier-input.ts'
import { remoteSiteOf } from '../../classify/provider.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { matchReport, type ReportMatch } from '../../correlate/match.ts'
import { verpAccountOf } from '../../correlate/verp.ts'
import { isDoubleBounce } from '../../correlate/double-bounce.ts'
import { findOtherRecipient } from '../../correlate/other-recipient.ts'
import { assumeGoodSignature, type ReportSignature } from '../../correlate/report-signature.ts'
import { decideReport } from '../../ledger/decide/report.ts'
import { isAboutDomains, readableTlsReport, subjectOfTlsReport, type TlsReportOrigin } from '../../ledger/decide/tls-report.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Report } from '../../mail/report.ts'
import { recentMailKey, type RecentMailRef } from '../../store/mail/recent-mails.ts'
import { accountScopedKey, type LoadedLedgerState, type LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { PreparedMail } from './prepare.ts'
import type { Context } from '../context.ts'

/**
 * Everything that the references of a batch may name; load it before {@link matchAndDecide}. A Message-ID that proves nothing names no account, so it
 * is looked up in all of them at once.
 */
export function loadNeedsOf(context: Pick<Context, 'rules'>, items: readonly PreparedMail[], snapshot: AccountSnapshot): LedgerStateNeeds {
  const deliveries = new Map<string, { account: number; deliveryId: string }>()
  const messageIds = new Set<string>()
  const recentMails: RecentMailRef[] = []
  for (const { references, mail } of items) {
    for (const reference of references) {
      if ('token' in reference) {
        const owner = snapshot.accountOf(reference.token.account)
        if (owner !== null) deliveries.set(reference.token.deliveryId, { account: owner.account, deliveryId: reference.token.deliveryId })
      } else if (hasValidToken(references)) continue
      else if ('addressHash' in reference) recentMails.push({ ...reference, at: mail.at })
      else messageIds.add(reference.value)
    }
  }
  return {
    deliveries: [...deliveries.values()],
    facts: snapshot.followedHosts.length === 0 ? [] : reportedQueueIds(items, snapshot),
    retiredDeliveries: true,
    messageIdHeaders: [...messageIds].map((messageIdHeader) => ({ account: null, messageIdHeader })),
    recentMails,
    subjects: items.flatMap((item) => [
      ...accountsOf(item, snapshot).map((account) => ({ account, subject: `mail:${item.digest}` })),
      ...tlsReportSubjects(item),
    ]),
    digests: items.map(({ digest }) => digest),
    history: items.some(({ report }) => report.kind === 'bounce'),
    sharedList: snapshot.accounts.some(({ settings }) => settings.sharedList),
    sites: items.flatMap(({ mail: { at }, report }) =>
      remoteSites(context.rules(), report, null).flatMap((site) => (site === null ? [] : [{ site, at }])),
    ),
    sitesAt: Math.max(...items.map(({ mail }) => mail.at)),
  }
}

/** The deliveries of reports that name a queue id, which a log may have named. */
const reportedQueueIds = (items: readonly PreparedMail[], snapshot: AccountSnapshot): NonNullable<LedgerStateNeeds['facts']> =>
  items
    .filter(({ report }) => report.queueId !== null)
    .flatMap(({ references }) => references)
    .flatMap((reference) => {
      const owner = 'token' in reference ? snapshot.accountOf(reference.token.account) : null
      return owner === null || !('token' in reference) ? [] : [{ account: owner.account, deliveryId: reference.token.deliveryId }]
    })

function tlsReportSubjects({ report, mail }: PreparedMail): readonly { readonly account: number; readonly subject: string }[] {
  const tlsReport = readableTlsReport(report)
  return tlsReport === null ? [] : [{ account: 0, subject: subjectOfTlsReport(tlsReport, mail.at) }]
}

const hasValidToken = (references: PreparedMail['references']): boolean =>
  references.some((reference) => 'token' in reference && reference.token.state === 'valid')

/** The accounts whose inbox a mail may enter: 0 (the operator's), the addressee's, and those that a token or a VERP address names. */
function accountsOf({ references, mail }: PreparedMail, snapshot: AccountSnapshot): readonly number[] {
  const owners = references.flatMap((reference) =>
    'token' in reference
      ? (snapshot.accountOf(reference.token.account)?.account ?? [])
      : 'addressHash' in reference
        ? reference.account
        : [],
  )
  return [...new Set([0, verpAccountOf(mail.envelope.to, snapshot.verpAddresses) ?? 0, ...owners])]
}

/** One mail, and the loaded state to match it against. */
export type MatchContext = {
  readonly context: Context
  readonly snapshot: AccountSnapshot
  readonly loaded: LoadedLedgerState
  readonly item: PreparedMail
}

/** Matches a mail and decides its facts, without applying them. `isVouched`: a person vouches for the mail. */
export function matchAndDecide(
  input: MatchContext,
  isVouched: boolean,
): { readonly match: ReportMatch<DeliveryRow>; readonly facts: readonly Fact[] } {
  const found = isVouched ? matchMail(input, true) : matchOrWait(input)
  const isBlocked = !isVouched && found.account !== 0 && input.snapshot.blocks.isMailBlocked(found)
  const match: ReportMatch<DeliveryRow> = isBlocked
    ? { ...found, proof: null, problem: 'cut' }
    : isVouchedForOther(input.item.report, found)
      ? { ...found, proof: null, problem: 'unverified' }
      : found
  logMatch(input, match)
  const facts = decideForMatch(input, match)
  return { match, facts }
}

/** Whether only a person's word proves a report that names another recipient than its mail. It waits for `inbox accept --force`. */
const isVouchedForOther = (report: Report, { proof, delivery }: ReportMatch<DeliveryRow>): boolean =>
  proof === 'operator' && findOtherRecipient(report, delivery?.addressHash ?? null) !== null

function logMatch({ context, item }: MatchContext, { account, deliveryId, via, proof, problem }: ReportMatch<DeliveryRow>): void {
  const { sessionId } = item.mail
  const message = problem === null ? 'report matched' : 'report not matched or not trusted'
  context.telemetry.log.debug({ sessionId, digest: item.digest, account, deliveryId, via, proof, problem }, message)
}

/** Decides the facts of a mail for a given match. */
export function decideForMatch({ context, snapshot, loaded, item }: MatchContext, match: ReportMatch<DeliveryRow>): readonly Fact[] {
  const { mail, report, digest, references, signature } = item
  const facts = decideReport({
    ledger: loaded.ledgerState,
    report,
    sites: remoteSites(context.rules(), report, match.delivery),
    verdicts: verdictsOf(context, item, match.delivery),
    match,
    digest,
    isForHumans: isReportRoleAddress(mail.envelope.to) && references.length === 0,
    isDoubleBounce: isDoubleBounce(report, ownDomainsOf(context)),
    tlsReportOrigin: tlsReportOriginOf(context, item),
    isFromFollowedMta: isFromFollowedMta(snapshot.followedHosts, report, loaded.ledgerState.facts.get(match.deliveryId ?? '') ?? []),
    reporter: reporterOf(report, signature),
    settings: snapshot.settingsOf(match.account),
    moment: momentOf(context, item),
  })
  const { log } = context.telemetry
  if (log.isLevelEnabled('debug'))
    log.debug(
      { sessionId: mail.sessionId, digest, account: match.account, facts: facts.map(({ kind, id }) => `${kind} ${id}`) },
      'report decided',
    )
  return facts
}

const ownDomainsOf = ({ domains: { returnPath, feedback, verp = [] } }: Context): readonly string[] => [...returnPath, ...feedback, ...verp]

function tlsReportOriginOf(context: Context, { report, signature }: PreparedMail): TlsReportOrigin {
  const tlsReport = readableTlsReport(report)
  return {
    signedBy: signature.state === 'good' ? signature.domain : null,
    isOwnDomain: tlsReport !== null && isAboutDomains(tlsReport, ownDomainsOf(context)),
  }
}

/** When the mail was first received, and when this installation received it. */
export function momentOf({ ids }: Context, { mail: { at, receivedAt } }: PreparedMail): FactMoment {
  return { at, receivedAt, ids }
}

/** A mail that is unverified only because signatures could not be verified yet is `pending`: it would be trusted if they were good. */
function matchOrWait(input: MatchContext): ReportMatch<DeliveryRow> {
  const match = matchMail(input, false)
  const { report, authentication } = input.item
  const signature = match.problem === 'unverified' ? assumeGoodSignature(report.from, authentication.dkim, input.context.reporters) : null
  if (signature === null) return match
  const isTrusted = matchMail({ ...input, item: { ...input.item, signature } }, false).problem === null
  return isTrusted ? { ...match, problem: 'pending' } : match
}

/** Finds the delivery that a mail concerns. */
export function matchMail({ snapshot, loaded, item }: MatchContext, isVouched: boolean): ReportMatch<DeliveryRow> {
  const { ledgerState, byMessageIdHeader, byRecentMail } = loaded
  const { mail, report, references, signature } = item
  return matchReport<DeliveryRow>({
    report,
    references,
    candidates: {
      byId: (deliveryId) => ledgerState.deliveries.get(deliveryId) ?? null,
      retired: (deliveryId) => ledgerState.retired.get(deliveryId) ?? null,
      byReference: ({ value }) => snapshot.accounts.flatMap(({ account }) => byMessageIdHeader.get(accountScopedKey(account, value)) ?? []),
      byVerp: ({ account, addressHash }) => byRecentMail.get(recentMailKey({ account, addressHash, at: mail.at })) ?? [],
    },
    signature,
    accountOf: snapshot.accountOf,
    addressee: verpAccountOf(mail.envelope.to, snapshot.verpAddresses),
    policyOf: (account) => snapshot.settingsOf(account),
    at: mail.at,
    retainedFrom: snapshot.retentionStart,
    isVouchedFor: isVouched,
  })
}

/** The site that refused each recipient of a report, if Remote-MTA identifies one. `delivery` is null before the report is matched. */
function remoteSites(table: RuleTable, { recipients }: Report, delivery: DeliveryRow | null): readonly (string | null)[] {
  const known = { mx: delivery?.mx ?? null, domain: delivery?.domain ?? '' }
  return recipients.map(({ action, remoteMta }) => (action === 'failed' ? remoteSiteOf(table, { remoteMta, ...known }) : null))
}

function verdictsOf(
  { rules, telemetry }: Context,
  { mail, digest, report, signature }: PreparedMail,
  delivery: DeliveryRow | null,
): readonly (Verdict | null)[] {
  const dkimDomain = signature.state === 'good' ? signature.domain : null
  const table: RuleTable = rules()
  return report.recipients.map((recipient) => {
    if (recipient.action !== 'failed' && recipient.action !== 'delayed') return null
    const verdict = classify(
      table,
      classifierInputOfReport(recipient, { deliveryMx: delivery?.mx ?? null, dkimDomain, reporter: report.from }),
    )
    const { reason, permanence, rule, evidence } = verdict
    telemetry.count('bounced_verdicts_total', { reason, table: evidence.provider ?? 'common' })
    const { sessionId } = mail
    telemetry.log.debug({ sessionId, digest, deliveryId: delivery?.deliveryId ?? null, reason, permanence, rule }, 'reply classified')
    return verdict
  })
}

/** RFC 5321 §4.5.1, RFC 2142. */
const ROLE_MAILBOXES = new Set(['postmaster', 'abuse'])

/** Whether an address is one that every domain has for people. */
export const isReportRoleAddress = (to: string): boolean => ROLE_MAILBOXES.has((to.split('@')[0] ?? '').toLowerCase())

/** The domain of the good signature, else that of From. */
function reporterOf(report: Report, signature: ReportSignature): string {
  return signature.state === 'good' ? signature.domain : (report.from?.slice(report.from.lastIndexOf('@') + 1) ?? '')
}

/** Whether an MTA whose log is followed wrote a report: by its name, or by the queue id that its log gave the mail. */
function isFromFollowedMta(hosts: readonly string[], { reportingMta, queueId }: Report, facts: readonly Fact[]): boolean {
  if (reportingMta !== null && hosts.some((host) => isSameHost(host, reportingMta.toLowerCase()))) return true
  return queueId !== null && facts.some((fact) => fact.kind === 'attempt' && fact.data.log?.queueId === queueId)
}

/** Logs often have the first label of a host's name, reports the whole. */
function isSameHost(logged: string, reported: string): boolean {
  if (logged === reported) return true
  const [short, long] = logged.length < reported.length ? [logged, reported] : [reported, logged]
  return !short.includes('.') && long.startsWith(`${short}.`)
}
