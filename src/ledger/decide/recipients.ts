/**
 * recipients - what the recipient groups of a delivery report change
 *
 * Each group stands for itself (RFC 3464). One token speaks of one delivery: where one group names that delivery's address, the other
 * groups are somebody else's and are only recorded; where several failed and none names it, the mail was expanded or forwarded.
 *
 * Pure. See also: ledger/decide/report, ledger/suppress/bounce-list.
 */
import { hashAddress, knowAddress } from '../../correlate/address-hash.ts'
import type { Verdict } from '../../classify/verdict.ts'
import type { RecipientReport } from '../../mail/report.ts'
import { discardHeld, feedBounceList } from '../suppress/bounce-list.ts'
import type { TiedReport } from './report.ts'
import type { Draft } from '../facts/fact-batch.ts'
import { DELIVERED, effectOf, summarise } from './effect.ts'
import type { Effect, Fact } from '../facts/fact.ts'
import { historyOf, isEngaged, isPermanentUnknown } from '../suppress/address-history.ts'
import { makeFact, ofDelivery } from '../facts/new-fact.ts'

/** What of a report's words is kept in a fact. */
const MAX_TEXT = 2_048
/** A report with more groups than that is about a list of somebody else's. */
const MAX_GROUPS = 100

/** Adds the facts of every group. */
export function decideRecipients(input: TiedReport, draft: Draft): void {
  for (const [index, group] of input.report.recipients.slice(0, MAX_GROUPS).entries()) {
    const verdict = input.verdicts[index] ?? null
    if (group.action === 'failed') failed(input, { group, verdict, site: input.sites[index] ?? null }, draft)
    else if (group.action === 'delayed') draft.add(delayed(input, group, verdict))
    else draft.addWith(...delivered(input, group, group.action))
  }
}

type Group = { readonly group: RecipientReport; readonly verdict: Verdict | null; readonly site: string | null }

function failed(input: TiedReport, said: Group, draft: Draft): void {
  const { world, delivery, tie, settings, moment } = input
  const { group, verdict } = said
  const effect = verdict === null || !isAboutDelivery(input, group) ? null : effectFor(input, group, verdict)
  // Behind a forwarder the remote server is somebody else's.
  const remoteSite = effect === null || effect.forwarded ? null : said.site
  const fact = makeFact('failed', ofDelivery(delivery), moment, {
    source: 'report',
    reported: group.recipient,
    reportedDomain: domainOf(group.recipient),
    reportStatus: group.status,
    remoteMta: group.remoteMta,
    site: remoteSite ?? delivery.site,
    remoteSite,
    text: (group.reply.text === '' ? group.text : group.reply.text).slice(0, MAX_TEXT),
    verdict: verdict === null ? null : summarise(verdict),
    effect,
    tie,
    digest: input.digest,
    billable: true,
    settingsVersion: settings.version,
  })
  const feedsShared = tie.proof === 'signed' && (tie.via === 'rcpt' || tie.via === 'return-path')
  draft.addWith(fact, () =>
    effect === null
      ? []
      : feedBounceList({
          world,
          delivery: { ...delivery, remoteSite },
          effect,
          verdict: fact.data.verdict,
          cause: fact.id,
          proof: tie.proof,
          feedsShared,
          settings,
          moment,
        }),
  )
}

function effectFor({ world, delivery, report, settings, moment }: TiedReport, group: RecipientReport, verdict: Verdict): Effect {
  const isForwarded = isElsewhere(group.recipient, delivery.domain) || isExpanded(report.recipients, delivery.addressHash)
  const effect = effectOf({
    verdict,
    asynchronous: true,
    policy: settings.statusPolicy,
    code: verdict.evidence.code,
    forwarded: isForwarded,
    engaged: false,
  })
  const history = delivery.addressHash === null ? [] : historyOf(world, delivery.account, delivery.addressHash)
  return isPermanentUnknown(effect) ? { ...effect, engaged: isEngaged(history, moment.at) } : effect
}

/** A group is somebody else's where another group names our address. */
function isAboutDelivery({ report, delivery }: TiedReport, group: RecipientReport): boolean {
  return names(group, delivery.addressHash) || !report.recipients.some((each) => names(each, delivery.addressHash))
}

function names(group: RecipientReport, addressHash: string | null): boolean {
  return (
    addressHash !== null &&
    [group.recipient, group.originalRecipient].some((address) => address !== null && hashAddress(address) === addressHash)
  )
}

/** Several failed, and none of them finally was the address that we sent to. */
function isExpanded(groups: readonly RecipientReport[], addressHash: string | null): boolean {
  if (addressHash === null) return false
  const finals = new Set(
    groups.filter((each) => each.action === 'failed').flatMap((each) => (each.recipient === null ? [] : [hashAddress(each.recipient)])),
  )
  return finals.size > 1 && !finals.has(addressHash)
}

function domainOf(address: string | null): string | null {
  return address === null ? null : (knowAddress(address)?.domain ?? null)
}

/** Whether a report speaks of another domain than the one we sent to. A stub has none to compare with yet. */
function isElsewhere(reported: string | null, domain: string): boolean {
  const final = domainOf(reported)
  return final !== null && domain !== '' && final !== domain
}

function delayed({ delivery, tie, digest, moment }: TiedReport, group: RecipientReport, verdict: Verdict | null): Fact {
  return makeFact('delayed', ofDelivery(delivery), moment, {
    reported: group.recipient,
    text: group.text.slice(0, MAX_TEXT),
    remoteMta: group.remoteMta,
    lastAttemptAt: group.lastAttemptAt,
    willRetryUntil: group.willRetryUntil,
    verdict: verdict === null ? null : summarise(verdict),
    tie,
    digest,
  })
}

function delivered(
  { world, delivery, tie, digest, settings, moment }: TiedReport,
  group: RecipientReport,
  action: 'delivered' | 'relayed' | 'expanded',
): [Fact, () => readonly Fact[]] {
  const fact = makeFact('delivered', ofDelivery(delivery), moment, { action, reported: group.recipient, effect: DELIVERED, tie, digest })
  return [fact, () => discardHeld({ world, delivery, cause: fact.id, settings, moment })]
}
