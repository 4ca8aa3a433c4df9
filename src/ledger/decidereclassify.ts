/**
 * decidereclassify - today's rules over an old reply: what would change, as facts that supersede
 *
 * The new fact takes the place of the last of its line, at the old one's time, so that ranks stay as they were. An entry that the old
 * verdict made goes where the new one would not make it, and its hit does not count; where the new one makes a hit, the list is fed now.
 * The same verdict changes nothing, and a table asks once.
 *
 * Pure. See also: ledger/deliveryfold (supersession), ledger/bouncefeed.
 */
import type { Verdict } from '../classify/verdict.ts'
import { feedBounceList } from './bouncefeed.ts'
import { draftFor } from './draft.ts'
import { effectOf, summarise } from './effect.ts'
import { changeEntry } from './entry.ts'
import type { Effect, Fact, FactOf, Proof, VerdictSummary } from './fact.ts'
import { isPermanentUnknown } from './hit.ts'
import { makeFact, type Moment, ofDelivery } from './make.ts'
import type { AccountSettings } from './settings.ts'
import { type DeliveryRow, suppressionKey, type World } from './world.ts'

/** A fact that a verdict made. */
export type Judged = FactOf<'failed'> | FactOf<'attempt'> | FactOf<'reclassified'>

export type ReclassifyInput = {
  readonly world: World
  readonly delivery: DeliveryRow
  /** The last of its line: nothing supersedes it. */
  readonly old: Judged
  readonly verdict: Verdict
  readonly actor: string | null
  readonly settings: AccountSettings
  readonly moment: Moment
}

/** Whether a fact can be judged again: its effect came from a verdict. */
export function isJudged(fact: Fact): fact is Judged {
  const isKind = fact.kind === 'failed' || fact.kind === 'attempt' || fact.kind === 'reclassified'
  return isKind && fact.data.effect !== null && fact.data.verdict !== null
}

/** The facts of one second thought; none where the verdict stands. */
export function decideReclassify(input: ReclassifyInput): readonly Fact[] {
  const { world, delivery, old, verdict, actor, settings, moment } = input
  const before = old.data.effect
  if (before === null) return []
  const next = effectAgain(before, input)
  if (isSame(before, old.data.verdict, next, verdict)) return []
  const draft = draftFor(world)
  const said = summarise(verdict)
  const site = 'site' in old.data ? old.data.site : null
  const data = {
    supersedes: old.id,
    table: verdict.table,
    verdict: said,
    effect: next,
    text: old.data.text,
    site,
    actor,
    settingsVersion: settings.version,
  }
  const fact = makeFact('reclassified', ofDelivery(delivery), { ...moment, at: old.at }, data)
  draft.addWith(fact, () => (isPermanentUnknown(next) === isPermanentUnknown(before) ? [] : relist(input, fact.id, next, said)))
  return draft.facts
}

/** Channel, forwarding and the code stay what they were. */
function effectAgain(before: Effect, { verdict, settings }: ReclassifyInput): Effect {
  const { asynchronous, forwarded, engaged } = before
  return effectOf({ verdict, asynchronous, policy: settings.statusPolicy, code: verdict.evidence.code, forwarded, engaged })
}

function isSame(before: Effect, said: VerdictSummary | null, next: Effect, verdict: Verdict): boolean {
  const fields = ['status', 'subStatus', 'reason', 'permanence', 'weak'] as const
  return said?.rule === verdict.rule && fields.every((field) => before[field] === next[field])
}

function relist(input: ReclassifyInput, cause: string, effect: Effect, verdict: VerdictSummary): readonly Fact[] {
  const { world, delivery, actor, settings, moment, old } = input
  if (isPermanentUnknown(effect)) {
    return feedBounceList({ world, delivery, effect, verdict, cause, proof: proofOf(old), feedsShared: false, settings, moment })
  }
  const { account, addressHash, deliveryId } = delivery
  if (addressHash === null) return []
  const key = { account, list: 'bounce', addressHash, scope: '' } as const
  const entry = world.suppressions.get(suppressionKey(key))
  if (entry === undefined || entry.deliveryId !== deliveryId || entry.removedAt !== null) return []
  const state = { removedAt: moment.at, pending: false, n: Math.max(0, entry.n - 1) }
  return [changeEntry({ key, old: entry, action: 'remove', state, by: { cause, actor, settingsVersion: settings.version }, moment })]
}

function proofOf(old: Judged): Proof | null {
  return old.kind === 'failed' ? (old.data.tie?.proof ?? null) : null
}
