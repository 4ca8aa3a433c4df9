/**
 * match-and-decide - prepared mails against the world that was loaded for them: whose they are, what they say, what that changes
 *
 * The daemon's batches and a person's hand in the inbox go the same way, so that a mail that is accepted a day later changes what it would
 * have changed at once. What an operator has cut off points nowhere: it waits in the inbox, whole.
 *
 * See also: service/receive/receive, service/receive/inbox, correlate/match, ledger/decide/report.
 */
import { classify } from '../../classify/classify.ts'
import { subjectOfReport } from '../../classify/subject.ts'
import { remoteSiteOf } from '../../classify/provider.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { matchReport, type Match } from '../../correlate/match.ts'
import type { Proofs } from '../../mail-auth/verify-signatures.ts'
import { decideReport } from '../../ledger/decide/report.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { Moment } from '../../ledger/facts/new-fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Report } from '../../mail/report.ts'
import { doorKey, type Loaded, type WorldNeeds } from '../../store/facts/ledger-state.ts'
import type { Page } from '../account-cache.ts'
import type { Prepared } from './prepare.ts'
import type { Shop } from '../context.ts'

/** Everything that the clues of a batch may point at: load it before {@link judge}. A bare Message-ID names no account: every account is asked. */
export function needsOf(shop: Pick<Shop, 'rules'>, items: readonly Prepared[], page: Page): WorldNeeds {
  const deliveries = new Map<string, { account: number; deliveryId: string }>()
  const messageIds = new Set<string>()
  const emailIds = new Set<string>()
  for (const { clues } of items) {
    for (const clue of clues) {
      if ('token' in clue) {
        const owner = page.accountOf(clue.token.account)
        if (owner !== null) deliveries.set(clue.token.deliveryId, { account: owner.account, deliveryId: clue.token.deliveryId })
      } else if (!hasValidToken(clues)) (clue.via === 'message-id' ? messageIds : emailIds).add(clue.value)
    }
  }
  const everywhere = <T>(names: ReadonlySet<string>, make: (account: number, name: string) => T): readonly T[] =>
    page.accounts.flatMap(({ account }) => [...names].map((name) => make(account, name)))
  return {
    deliveries: [...deliveries.values()],
    remains: true,
    messageIdHeaders: everywhere(messageIds, (account, messageIdHeader) => ({ account, messageIdHeader })),
    emailIds: everywhere(emailIds, (account, emailId) => ({ account, emailId })),
    subjects: items.flatMap((item) => accountsOf(item, page).map((account) => ({ account, subject: `mail:${item.digest}` }))),
    digests: items.map(({ digest }) => digest),
    history: items.some(({ report }) => report.kind === 'bounce'),
    shared: page.accounts.some(({ settings }) => settings.sharedList),
    sites: items.flatMap(({ mail: { at }, report }) =>
      remoteSites(shop.rules(), report, null).flatMap((site) => (site === null ? [] : [{ site, at }])),
    ),
    sitesAt: Math.max(...items.map(({ mail }) => mail.at)),
  }
}

const hasValidToken = (clues: Prepared['clues']): boolean => clues.some((clue) => 'token' in clue && clue.token.state === 'valid')

/** Whose inbox a mail may come into: nobody's, or that of an account whose number a token bears. */
function accountsOf({ clues }: Prepared, page: Page): readonly number[] {
  const owners = clues.flatMap((clue) => ('token' in clue ? (page.accountOf(clue.token.account)?.account ?? []) : []))
  return [0, ...new Set(owners)]
}

/** One mail and all that it is held against. */
export type Case = { readonly shop: Shop; readonly page: Page; readonly loaded: Loaded; readonly item: Prepared }

/** What it is about and the facts of it; the world is only read. `vouched`: a person stands for the mail. */
export function judge(given: Case, vouched: boolean): { readonly match: Match<DeliveryRow>; readonly facts: readonly Fact[] } {
  const found = matchOf(given, vouched)
  const isCut = !vouched && found.account !== 0 && given.page.cuts.holds(found)
  const match: Match<DeliveryRow> = isCut ? { ...found, proof: null, problem: 'cut' } : found
  return { match, facts: decideAs(given, match) }
}

/** The facts of a mail that is about what `match` says. */
export function decideAs({ shop, page, loaded, item }: Case, match: Match<DeliveryRow>): readonly Fact[] {
  const { mail, report, digest, clues, proofs } = item
  return decideReport({
    world: loaded.world,
    report,
    sites: remoteSites(shop.rules(), report, match.delivery),
    verdicts: verdictsOf(shop, report, match.delivery, proofs),
    match,
    digest,
    isForPeople: isForPeople(mail.envelope.to) && clues.length === 0,
    reporter: reporterOf(report, proofs),
    settings: page.settingsOf(match.account),
    moment: momentOf(shop, item),
  })
}

/** When it happened and when we learnt it. */
export function momentOf({ ids }: Shop, { mail: { at, receivedAt } }: Prepared): Moment {
  return { at, receivedAt, ids }
}

/** Which mail of ours it speaks of. */
export function matchOf({ shop, page, loaded, item }: Case, vouched: boolean): Match<DeliveryRow> {
  const { world, byEmailId, byMessageIdHeader } = loaded
  const { mail, report, clues, proofs } = item
  return matchReport<DeliveryRow>({
    report,
    clues,
    loaded: {
      byId: (deliveryId) => world.deliveries.get(deliveryId) ?? null,
      remains: (deliveryId) => world.remains.get(deliveryId) ?? null,
      byName: ({ via, value }) =>
        page.accounts.flatMap(({ account }) => {
          const key = doorKey(account, value)
          const one = byEmailId.get(key)
          return via === 'message-id' ? (byMessageIdHeader.get(key) ?? []) : one === undefined ? [] : [one]
        }),
    },
    auth: proofs,
    reporters: shop.reporters,
    accountOf: page.accountOf,
    trustOf: (account) => page.settingsOf(account).trust,
    at: mail.at,
    keptFrom: page.keptFrom,
    vouched,
  })
}

/** Where each group of a report was refused, as far as its Remote-MTA names a provider. `delivery` null: any that it may be about. */
function remoteSites(table: RuleTable, { recipients }: Report, delivery: DeliveryRow | null): readonly (string | null)[] {
  const known = { mx: delivery?.mx ?? null, domain: delivery?.domain ?? '' }
  return recipients.map(({ action, remoteMta }) => (action === 'failed' ? remoteSiteOf(table, { remoteMta, ...known }) : null))
}

function verdictsOf(shop: Shop, report: Report, delivery: DeliveryRow | null, proofs: Proofs): readonly (Verdict | null)[] {
  const dkimDomain = proofs.dkim.find((each) => each.valid && each.aligned)?.domain ?? null
  const table: RuleTable = shop.rules()
  return report.recipients.map((recipient) => {
    if (recipient.action !== 'failed' && recipient.action !== 'delayed') return null
    const verdict = classify(table, subjectOfReport(recipient, { deliveryMx: delivery?.mx ?? null, dkimDomain }))
    shop.telemetry.count('bounced_verdicts_total', { reason: verdict.reason, table: verdict.evidence.provider ?? 'common' })
    return verdict
  })
}

/** RFC 5321 §4.5.1, RFC 2142. */
const FOR_PEOPLE = new Set(['postmaster', 'abuse'])

const isForPeople = (to: string): boolean => FOR_PEOPLE.has((to.split('@')[0] ?? '').toLowerCase())

/** The aligned DKIM domain, else the domain of From. */
function reporterOf(report: Report, proofs: Proofs): string {
  const signed = proofs.dkim.find((each) => each.valid && each.aligned)
  return signed?.domain ?? report.from?.slice(report.from.lastIndexOf('@') + 1) ?? ''
}
