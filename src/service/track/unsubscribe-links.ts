/**
 * unsubscribe-links - what the unsubscribe link of a mail shows, does and undoes
 *
 * A link works as long as something names the address behind it: the delivery, or what is left of it after retention. The age of its token does
 * not matter, because an unsubscribe that is refused is a complaint.
 *
 * RFC 8058 (one-click). See also: ledger/decide/unsubscribe, ledger/decide/retired, tracking/undo-permit, http/tracking/unsubscribe.
 */
import { parseToken } from '../../correlate/token.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import { decideReasonComplaint } from '../../ledger/decide/complaint.ts'
import { decideRetiredUnsubscribe } from '../../ledger/decide/retired.ts'
import { decideUndoUnsubscribe } from '../../ledger/decide/undo-unsubscribe.ts'
import { decideUnsubscribe } from '../../ledger/decide/unsubscribe.ts'
import type { UnsubscribeType } from '../../ledger/facts/delivery-facts.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { findRetiredDeliveries } from '../../store/facts/retired-deliveries.ts'
import { findDeliveriesByIds } from '../../store/mail/deliveries.ts'
import { maskAddress, senderNameOf } from '../../tracking/masked-address.ts'
import { formatUndoPermit, parseUndoPermit } from '../../tracking/undo-permit.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

type UnsubscribeRequest = {
  readonly token: string
  readonly how: 'page' | 'one-click'
  /** The reason that the recipient chose. */
  readonly type: UnsubscribeType
  readonly ip: string
  readonly userAgent: string | null
}

/** What the page may show to whoever holds the link. */
export type LinkSubject = {
  /** The sender's name; null: nothing names it any more. */
  readonly sender: string | null
  /** The masked address; null after retention or erasure. */
  readonly address: string | null
  readonly look: { readonly colour: string; readonly logo: string }
}

/** `undo`: the permit of the confirmation page; null: this request changed nothing that it could undo. */
type UnsubscribeOutcome = { readonly outcome: 'done'; readonly undo: string | null } | { readonly outcome: 'missed' }

export type UnsubscribeLinks = {
  /** Changes nothing. Null: the token is forged, or nothing is known of its mail any more. Faults: store_busy. */
  readonly show: (token: string) => Promise<LinkSubject | null>
  /** One transaction; idempotent. `missed` where `show` gives null. Faults: store_busy. */
  readonly unsubscribe: (request: UnsubscribeRequest) => Promise<UnsubscribeOutcome>
  /** One transaction. False: the permit is not ours, too old, or used, or somebody has changed the entry since. Faults: store_busy. */
  readonly undo: (token: string, permit: string) => Promise<boolean>
}

/** Creates the service. */
export function createUnsubscribeLinks(context: Context): UnsubscribeLinks {
  return {
    show: (token) => show(context, token),
    unsubscribe: (request) => unsubscribe(context, request),
    undo: (token, permit) => undo(context, token, permit),
  }
}

/** The mail that a valid token names, with the account that owns it and the key that signed the token. */
type LinkTarget = {
  readonly account: number
  readonly deliveryId: string
  readonly settings: AccountSettings
  readonly key: Uint8Array
}

async function findTarget({ accountCache, domains }: Context, text: string): Promise<LinkTarget | null> {
  const { keyFor, accountOf, settingsOf } = await accountCache.snapshot()
  const parsed = domains.feedback.map((domain) => parseToken(text, 'unsubscribe', domain, keyFor))
  const token = parsed.find(({ state }) => state === 'valid')
  if (token === undefined || token.state === 'none') return null
  const owner = accountOf(token.account)
  const key = keyFor(token.account, token.keyIndex)
  if (owner === null || key === null) return null
  return { account: owner.account, deliveryId: token.deliveryId, settings: settingsOf(owner.account), key }
}

async function show(context: Context, token: string): Promise<LinkSubject | null> {
  const target = await findTarget(context, token)
  if (target === null) return null
  const { account, deliveryId, settings } = target
  const { read } = context.engine
  const { pageName, pageColour: colour, pageLogo: logo } = settings
  const named = (sender: string | null, address: string | null): LinkSubject => ({
    sender: pageName === '' ? sender : pageName,
    address: address === null ? null : maskAddress(address),
    look: { colour, logo },
  })
  const [delivery] = await findDeliveriesByIds(read, account, [deliveryId])
  if (delivery !== undefined) return named(senderNameOf(delivery.from), delivery.recipient)
  const retired = await findRetiredDeliveries(read, [{ account, deliveryId }])
  return retired.length === 0 ? null : named(null, null)
}

async function unsubscribe(context: Context, request: UnsubscribeRequest): Promise<UnsubscribeOutcome> {
  const target = await findTarget(context, request.token)
  if (target === null) return { outcome: 'missed' }
  const { account, deliveryId, settings } = target
  const needs = { deliveries: [{ account, deliveryId }], retiredDeliveries: true }
  return transact<UnsubscribeOutcome>(context, needs, ({ ledgerState: ledger, moment }) => {
    const { how, type, ip, userAgent } = request
    const input = { ledger, how, type, proof: 'token', settings, moment } as const
    const done = (facts: readonly Fact[]) =>
      ({ result: { outcome: 'done', undo: undoPermitOf(context, request, target, facts) }, facts }) as const
    const delivery = ledger.deliveries.get(deliveryId)
    if (delivery !== undefined)
      return done([
        ...decideUnsubscribe({ ...input, delivery, ip, userAgent, digest: null }),
        ...decideReasonComplaint({ ...input, delivery }),
      ])
    const retired = ledger.retired.get(deliveryId)
    return retired === undefined ? { result: { outcome: 'missed' } } : done(decideRetiredUnsubscribe({ ...input, retired }))
  })
}

/** Only the page that made the entries may undo them: whoever unsubscribes again by a forwarded link gets no permit. */
function undoPermitOf({ now }: Context, { token, how }: UnsubscribeRequest, { key }: LinkTarget, facts: readonly Fact[]): string | null {
  const changes = new Map(facts.flatMap((fact) => (fact.kind === 'list' ? [[fact.data.list, fact.data.change] as const] : [])))
  const permit = { unsubscribeChange: changes.get('unsubscribe') ?? 0, complaintChange: changes.get('complaint') ?? 0 }
  return how === 'page' && permit.unsubscribeChange > 0 ? formatUndoPermit({ key, token }, permit, now()) : null
}

async function undo(context: Context, token: string, text: string): Promise<boolean> {
  const target = await findTarget(context, token)
  const permit = target === null ? null : parseUndoPermit({ key: target.key, token }, text, context.now())
  if (target === null || permit === null) return false
  const { account, deliveryId, settings } = target
  const changes = { unsubscribe: permit.unsubscribeChange, complaint: permit.complaintChange }
  const needs = { deliveries: [{ account, deliveryId }], retiredDeliveries: true }
  return transact(context, needs, ({ ledgerState: ledger, moment }) => {
    const facts = decideUndoUnsubscribe({ ledger, account, deliveryId, changes, settings, moment })
    return { result: facts.length > 0, facts }
  })
}
