/**
 * match-and-decide - prepared mails against the world that was loaded for them: whose they are, what they say, what that changes
 *
 * The daemon's batches and a person's hand in the inbox go the same way, so that a mail that is accepted a day later changes what it would
 * have changed at once. What an operator has cut off points nowhere: it waits in the inbox, whole.
 *
 * See also: service/receive/receive, service/receive/inbox, correlate/match, ledger/decide/report.
 */
import { classify } from '../../classify/classify.ts'
import { classifierInputOfReport } from '../../classify/subject.ts'
import { remoteSiteOf } from '../../classify/provider.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { matchReport, type ReportMatch } from '../../correlate/match.ts'
import type { AuthenticationResults } from '../../mail-auth/verify-signatures.ts'
import { decideReport } from '../../ledger/decide/report.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Report } from '../../mail/report.ts'
import { accountScopedKey, type LoadedLedgerState, type LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { PreparedMail } from './prepare.ts'
import type { Context } from '../context.ts'

/** Everything that the clues of a batch may point at: load it before {@link matchAndDecide}. A bare Message-ID names no account: every account is asked. */
export function loadNeedsOf(context: Pick<Context, 'rules'>, items: readonly PreparedMail[], snapshot: AccountSnapshot): LedgerStateNeeds {
  const deliveries = new Map<string, { account: number; deliveryId: string }>()
  const messageIds = new Set<string>()
  const emailIds = new Set<string>()
  for (const { references } of items) {
    for (const reference of references) {
      if ('token' in reference) {
        const owner = snapshot.accountOf(reference.token.account)
        if (owner !== null) deliveries.set(reference.token.deliveryId, { account: owner.account, deliveryId: reference.token.deliveryId })
      } else if (!hasValidToken(references)) (reference.via === 'message-id' ? messageIds : emailIds).add(reference.value)
    }
  }
  const forEveryAccount = <T>(names: ReadonlySet<string>, make: (account: number, name: string) => T): readonly T[] =>
    snapshot.accounts.flatMap(({ account }) => [...names].map((name) => make(account, name)))
  return {
    deliveries: [...deliveries.values()],
    retiredDeliveries: true,
    messageIdHeaders: forEveryAccount(messageIds, (account, messageIdHeader) => ({ account, messageIdHeader })),
    emailIds: forEveryAccount(emailIds, (account, emailId) => ({ account, emailId })),
    subjects: items.flatMap((item) => accountsOf(item, snapshot).map((account) => ({ account, subject: `mail:${item.digest}` }))),
    digests: items.map(({ digest }) => digest),
    history: items.some(({ report }) => report.kind === 'bounce'),
    sharedList: snapshot.accounts.some(({ settings }) => settings.sharedList),
    sites: items.flatMap(({ mail: { at }, report }) =>
      remoteSites(context.rules(), report, null).flatMap((site) => (site === null ? [] : [{ site, at }])),
    ),
    sitesAt: Math.max(...items.map(({ mail }) => mail.at)),
  }
}

const hasValidToken = (references: PreparedMail['references']): boolean =>
  references.some((reference) => 'token' in reference && reference.token.state === 'valid')

/** Whose inbox a mail may come into: nobody's, or that of an account whose number a token bears. */
function accountsOf({ references }: PreparedMail, snapshot: AccountSnapshot): readonly number[] {
  const owners = references.flatMap((reference) =>
    'token' in reference ? (snapshot.accountOf(reference.token.account)?.account ?? []) : [],
  )
  return [0, ...new Set(owners)]
}

/** One mail and all that it is held against. */
export type MatchContext = {
  readonly context: Context
  readonly snapshot: AccountSnapshot
  readonly loaded: LoadedLedgerState
  readonly item: PreparedMail
}

/** What it is about and the facts of it; the world is only read. `vouched`: a person stands for the mail. */
export function matchAndDecide(
  input: MatchContext,
  isVouched: boolean,
): { readonly match: ReportMatch<DeliveryRow>; readonly facts: readonly Fact[] } {
  const found = matchMail(input, isVouched)
  const isBlocked = !isVouched && found.account !== 0 && input.snapshot.blocks.isMailBlocked(found)
  const match: ReportMatch<DeliveryRow> = isBlocked ? { ...found, proof: null, problem: 'cut' } : found
  return { match, facts: decideForMatch(input, match) }
}

/** The facts of a mail that is about what `match` says. */
export function decideForMatch({ context, snapshot, loaded, item }: MatchContext, match: ReportMatch<DeliveryRow>): readonly Fact[] {
  const { mail, report, digest, references, proofs } = item
  return decideReport({
    ledger: loaded.ledgerState,
    report,
    sites: remoteSites(context.rules(), report, match.delivery),
    verdicts: verdictsOf(context, report, match.delivery, proofs),
    match,
    digest,
    isForHumans: isRoleAddress(mail.envelope.to) && references.length === 0,
    reporter: reporterOf(report, proofs),
    settings: snapshot.settingsOf(match.account),
    moment: momentOf(context, item),
  })
}

/** When it happened and when we learnt it. */
export function momentOf({ ids }: Context, { mail: { at, receivedAt } }: PreparedMail): FactMoment {
  return { at, receivedAt, ids }
}

/** Which mail of ours it speaks of. */
export function matchMail({ context, snapshot, loaded, item }: MatchContext, isVouched: boolean): ReportMatch<DeliveryRow> {
  const { ledgerState, byEmailId, byMessageIdHeader } = loaded
  const { mail, report, references, proofs } = item
  return matchReport<DeliveryRow>({
    report,
    references,
    candidates: {
      byId: (deliveryId) => ledgerState.deliveries.get(deliveryId) ?? null,
      retired: (deliveryId) => ledgerState.retired.get(deliveryId) ?? null,
      byReference: ({ via, value }) =>
        snapshot.accounts.flatMap(({ account }) => {
          const key = accountScopedKey(account, value)
          const one = byEmailId.get(key)
          return via === 'message-id' ? (byMessageIdHeader.get(key) ?? []) : one === undefined ? [] : [one]
        }),
    },
    authentication: proofs,
    reporters: context.reporters,
    accountOf: snapshot.accountOf,
    trustOf: (account) => snapshot.settingsOf(account).trust,
    at: mail.at,
    retainedFrom: snapshot.retentionStart,
    isVouchedFor: isVouched,
  })
}

/** Where each group of a report was refused, as far as its Remote-MTA names a provider. `delivery` null: any that it may be about. */
function remoteSites(table: RuleTable, { recipients }: Report, delivery: DeliveryRow | null): readonly (string | null)[] {
  const known = { mx: delivery?.mx ?? null, domain: delivery?.domain ?? '' }
  return recipients.map(({ action, remoteMta }) => (action === 'failed' ? remoteSiteOf(table, { remoteMta, ...known }) : null))
}

function verdictsOf(
  context: Context,
  report: Report,
  delivery: DeliveryRow | null,
  proofs: AuthenticationResults,
): readonly (Verdict | null)[] {
  const dkimDomain = proofs.dkim.find((each) => each.valid && each.aligned)?.domain ?? null
  const table: RuleTable = context.rules()
  return report.recipients.map((recipient) => {
    if (recipient.action !== 'failed' && recipient.action !== 'delayed') return null
    const verdict = classify(table, classifierInputOfReport(recipient, { deliveryMx: delivery?.mx ?? null, dkimDomain }))
    context.telemetry.count('bounced_verdicts_total', { reason: verdict.reason, table: verdict.evidence.provider ?? 'common' })
    return verdict
  })
}

/** RFC 5321 §4.5.1, RFC 2142. */
const ROLE_MAILBOXES = new Set(['postmaster', 'abuse'])

const isRoleAddress = (to: string): boolean => ROLE_MAILBOXES.has((to.split('@')[0] ?? '').toLowerCase())

/** The aligned DKIM domain, else the domain of From. */
function reporterOf(report: Report, proofs: AuthenticationResults): string {
  const signed = proofs.dkim.find((each) => each.valid && each.aligned)
  return signed?.domain ?? report.from?.slice(report.from.lastIndexOf('@') + 1) ?? ''
}
