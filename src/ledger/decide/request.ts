/**
 * request - one recipient is registered: what that begins, and what our own lists answer
 *
 * A stub that was minted offline becomes a delivery; if its report already said "no such mailbox", the bounce list is fed now. In a
 * broadcast an address that comes again is a duplicate, and a recipient without address (or none for this type of mail) has none selected.
 * Both end here and tell the sender not to send: no address is 404, a duplicate or one that was not selected 409 by the fault of the list.
 * They cost nothing, count for nothing, and the result keeps its own word, which the request said first.
 *
 * Pure. See also: ledger/suppress/suppression (interceptedBy), service/submit/register.
 */
import type { KnownAddress } from '../../correlate/address-hash.ts'
import { feedBounceList } from '../suppress/bounce-list.ts'
import { draftFor } from '../facts/fact-batch.ts'
import { LEFT_OUT, refusedByUs } from './effect.ts'
import type { Effect, Fact, FactOf, FailedData, RequestData } from '../facts/fact.ts'
import { historyOf, isPermanentUnknown } from '../suppress/address-history.ts'
import { foldDelivery } from '../project/delivery.ts'
import { type About, makeFact, type Moment } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { type Answer, interceptedBy } from '../suppress/suppression.ts'
import type { DeliveryRow, World } from '../project/state.ts'

export type RequestInput = {
  readonly world: World
  readonly account: number
  readonly deliveryId: string
  /** `result` and `settingsVersion` are decided here. */
  readonly request: Omit<RequestData, 'result' | 'settingsVersion'>
  /** Null: `request.recipient` is missing, or is none that one can send to. */
  readonly address: KnownAddress | null
  /** False: it is in a broadcast, and has no address for this type of mail. */
  readonly isSelected: boolean
  /** Our own queue will send it; else the sender has it in hand. */
  readonly isQueued: boolean
  readonly settings: AccountSettings
  readonly moment: Moment
}

/** The facts of one registration. */
export function decideRequest(input: RequestInput): readonly Fact[] {
  const { world, account, deliveryId, request, address, settings, moment } = input
  const draft = draftFor(world)
  const about = { account, deliveryId, addressHash: address?.hash ?? null, subject: deliveryId }
  const result = resultOf(input)
  const fact = makeFact('request', about, moment, { ...request, result, settingsVersion: settings.version })
  draft.addWith(fact, () => {
    if (result === 'duplicate') return [answered(input, fact, DUPLICATE)]
    if (result === 'no-email-selected') return [answered(input, fact, request.recipient === null ? NO_ADDRESS : NOT_SELECTED)]
    if (address === null) return [answered(input, fact, NOT_AN_ADDRESS)]
    const who = {
      account,
      addressHash: address.hash,
      domain: address.domain,
      label: request.label,
      apiUser: request.apiUser,
      shared: settings.sharedList,
    }
    const answer = interceptedBy(world, who, moment.at)
    return answer === null ? catchUp(input, fact) : [answered(input, fact, listAnswer(answer))]
  })
  return draft.facts
}

function resultOf({ world, account, deliveryId, request, address, isSelected, isQueued }: RequestInput): RequestData['result'] {
  if (request.broadcast !== null) {
    if (request.recipient === null || !isSelected) return 'no-email-selected'
    const past = address === null ? [] : historyOf(world, account, address.hash)
    const isAgain = past.some(
      (row) => row.registered && row.broadcast === request.broadcast && row.deliveryId !== deliveryId && row.resultBase !== 'duplicate',
    )
    if (isAgain) return 'duplicate'
  }
  return isQueued ? 'unsent' : 'sent'
}

type Said = { readonly source: FailedData['source']; readonly effect: Effect; readonly text: string; readonly billable: boolean }

const NOT_AN_ADDRESS: Said = { source: 'address', effect: refusedByUs('format-error'), text: 'not an address', billable: true }
const NO_ADDRESS: Said = { source: 'address', effect: refusedByUs('format-error'), text: 'no address', billable: false }
const NOT_SELECTED: Said = { source: 'list', effect: LEFT_OUT, text: 'not selected: no address for this type of mail', billable: false }
const DUPLICATE: Said = { source: 'list', effect: LEFT_OUT, text: 'duplicate: the address again in one broadcast', billable: false }

const listAnswer = ({ reason, text, billable }: Answer): Said => ({ source: 'list', effect: refusedByUs(reason), text, billable })

function answered({ settings, moment }: RequestInput, request: FactOf<'request'>, { source, effect, text, billable }: Said): Fact {
  return makeFact('failed', aboutOf(request), moment, {
    source,
    reported: null,
    reportedDomain: null,
    reportStatus: null,
    remoteMta: null,
    site: request.data.site,
    remoteSite: null,
    text,
    verdict: null,
    effect,
    tie: null,
    digest: null,
    billable,
    settingsVersion: settings.version,
  })
}

const aboutOf = ({ account, deliveryId, addressHash, subject }: Fact): About => ({ account, deliveryId, addressHash, subject })

/** A report may have come before the registration: what it could not do to a list then, it does now. */
function catchUp({ world, settings, deliveryId, moment }: RequestInput, request: FactOf<'request'>): readonly Fact[] {
  const stub = world.deliveries.get(deliveryId)
  if (stub === undefined || stub.registered || stub.statusFact === '') return []
  const delivery: DeliveryRow = foldDelivery(stub, request, null)
  const isForwarded = stub.forwarded || (stub.reportedDomain !== null && stub.reportedDomain !== delivery.domain)
  const { status, subStatus, asynchronous, reason, permanence, fault, weak, engaged } = stub
  const effect: Effect = { status, subStatus, asynchronous, reason, permanence, fault, weak, engaged, forwarded: isForwarded }
  if (!isPermanentUnknown(effect)) return []
  return feedBounceList({
    world,
    delivery,
    effect,
    verdict: null,
    cause: stub.statusFact,
    proof: 'token',
    feedsShared: false,
    settings,
    moment,
  })
}
