/**
 * recipients - what the recipient groups of a delivery report change
 *
 * Each group is decided by itself (RFC 3464). A token names one delivery. If one group names the address of that delivery, the other groups
 * belong to other recipients and are only recorded. If several groups failed and none names the address, the mail was expanded or
 * forwarded. A report of an MTA whose log is followed says again what the log says. If any copy for one Original-Recipient was delivered, the copies that failed are only recorded.
 *
 * Pure. See also: ledger/decide/report, ledger/suppress/bounce-list.
 */
import { hashAddress, normaliseAddress } from '../../correlate/address-hash.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { hasDeliveredCopy } from '../../mail/dsn/delivered-copy.ts'
import type { RecipientReport } from '../../mail/report.ts'
import { discardHeldEntries, updateBounceList } from '../suppress/bounce-list.ts'
import type { MatchedReport } from './report-input.ts'
import type { FactBatch } from '../facts/fact-batch.ts'
import { DELIVERED_EFFECT, effectOf, summariseVerdict } from './effect.ts'
import type { StatusEffect } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'
import { addressHistoryOf, isEngaged, isPermanentUnknownUser } from '../suppress/address-history.ts'
import { createFact, aboutDelivery } from '../facts/new-fact.ts'

/** The part of a report's text that a fact stores. */
const MAX_STORED_TEXT_LENGTH = 2_048
/** A report with more groups is about a mailing list of another sender. */
const MAX_RECIPIENT_GROUPS = 100

/** Adds the facts of every group. */
export function decideRecipients(input: MatchedReport, batch: FactBatch): void {
  for (const [index, group] of input.report.recipients.slice(0, MAX_RECIPIENT_GROUPS).entries()) {
    const verdict = input.verdicts[index] ?? null
    if (group.action === 'failed') addFailedFacts(input, { group, verdict, site: input.sites[index] ?? null }, batch)
    else if (group.action === 'delayed') batch.add(createDelayedFact(input, group, verdict))
    else batch.addWithConsequences(...createDeliveredFact(input, group, group.action))
  }
}

type GroupOutcome = { readonly group: RecipientReport; readonly verdict: Verdict | null; readonly site: string | null }

function addFailedFacts(input: MatchedReport, outcome: GroupOutcome, batch: FactBatch): void {
  const { ledger, delivery, tie, settings, moment } = input
  const { group, verdict } = outcome
  const isRecordedOnly =
    verdict === null || !isAboutDelivery(input, group) || hasDeliveredCopy(input.report.recipients, group) || isKnownFromLog(input, group)
  const effect = isRecordedOnly ? null : failureEffectOf(input, group, verdict)
  // Behind a forwarder, the remote server does not belong to the recipient's domain.
  const remoteSite = effect === null || effect.forwarded ? null : outcome.site
  const fact = createFact('failed', aboutDelivery(delivery), moment, {
    source: 'report',
    reported: group.recipient,
    reportedDomain: domainOf(group.recipient),
    reportStatus: group.status,
    remoteMta: group.remoteMta,
    site: remoteSite ?? delivery.site,
    remoteSite,
    text: (group.reply.text === '' ? group.text : group.reply.text).slice(0, MAX_STORED_TEXT_LENGTH),
    verdict: verdict === null ? null : summariseVerdict(verdict),
    effect,
    tie,
    digest: input.digest,
    billable: true,
    settingsVersion: settings.version,
  })
  batch.addWithConsequences(fact, () =>
    effect === null || input.match.weak
      ? []
      : updateBounceList({
          ledger,
          delivery: { ...delivery, remoteSite },
          effect,
          verdict: fact.data.verdict,
          cause: fact.id,
          proof: tie.proof,
          isQueueReply: false,
          settings,
          moment,
        }),
  )
}

/**
 * The log of the MTA that wrote the report has the outcome, or says it of another recipient of the same mail: a sender may give one Return-Path to a mail
 * to many.
 */
function isKnownFromLog({ isFromFollowedMta, delivery }: MatchedReport, group: RecipientReport): boolean {
  if (isFromFollowedMta !== true) return false
  const isForOther = group.recipient !== null && delivery.addressHash !== null && !namesAddress(group, delivery.addressHash)
  return isForOther || ((delivery.status === 4 || delivery.status === 5) && !delivery.asynchronous)
}

function failureEffectOf(
  { ledger, delivery, report, settings, moment, isFromFollowedMta }: MatchedReport,
  group: RecipientReport,
  verdict: Verdict,
): StatusEffect {
  const isForwarded = isOtherDomain(group.recipient, delivery.domain) || isExpanded(report.recipients, delivery.addressHash)
  const effect = effectOf({
    verdict,
    // The MTA's own report about what it heard in the session. About a mail that it has delivered, it is a report of later.
    asynchronous: isFromFollowedMta !== true || delivery.status === 1,
    policy: settings.statusPolicy,
    code: verdict.evidence.code,
    forwarded: isForwarded,
    engaged: false,
  })
  const history = delivery.addressHash === null ? [] : addressHistoryOf(ledger, delivery.account, delivery.addressHash)
  return isPermanentUnknownUser(effect) ? { ...effect, engaged: isEngaged(history, moment.at) } : effect
}

/** A group belongs to another recipient if a different group names our address. */
function isAboutDelivery({ report, delivery }: MatchedReport, group: RecipientReport): boolean {
  return namesAddress(group, delivery.addressHash) || !report.recipients.some((each) => namesAddress(each, delivery.addressHash))
}

function namesAddress(group: RecipientReport, addressHash: string | null): boolean {
  return (
    addressHash !== null &&
    [group.recipient, group.originalRecipient].some((address) => address !== null && hashAddress(address) === addressHash)
  )
}

/** Several recipients failed, and none of them has the address that we sent to. */
function isExpanded(groups: readonly RecipientReport[], addressHash: string | null): boolean {
  if (addressHash === null) return false
  const finals = new Set(
    groups.filter((each) => each.action === 'failed').flatMap((each) => (each.recipient === null ? [] : [hashAddress(each.recipient)])),
  )
  return finals.size > 1 && !finals.has(addressHash)
}

function domainOf(address: string | null): string | null {
  return address === null ? null : (normaliseAddress(address)?.domain ?? null)
}

/** Whether a report names another domain than the one we sent to. A stub has no domain to compare with. */
function isOtherDomain(reported: string | null, domain: string): boolean {
  const final = domainOf(reported)
  return final !== null && domain !== '' && final !== domain
}

function createDelayedFact({ delivery, tie, digest, moment }: MatchedReport, group: RecipientReport, verdict: Verdict | null): Fact {
  return createFact('delayed', aboutDelivery(delivery), moment, {
    reported: group.recipient,
    text: group.text.slice(0, MAX_STORED_TEXT_LENGTH),
    remoteMta: group.remoteMta,
    lastAttemptAt: group.lastAttemptAt,
    willRetryUntil: group.willRetryUntil,
    verdict: verdict === null ? null : summariseVerdict(verdict),
    tie,
    digest,
  })
}

function createDeliveredFact(
  { ledger, match, delivery, tie, digest, settings, moment }: MatchedReport,
  group: RecipientReport,
  action: 'delivered' | 'relayed' | 'expanded',
): [Fact, () => readonly Fact[]] {
  const fact = createFact('delivered', aboutDelivery(delivery), moment, {
    action,
    reported: group.recipient,
    effect: DELIVERED_EFFECT,
    tie,
    digest,
  })
  return [fact, () => (match.weak ? [] : discardHeldEntries({ ledger, delivery, cause: fact.id, isQueueReply: false, settings, moment }))]
}
