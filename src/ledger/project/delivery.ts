/**
 * delivery - folds the facts of one delivery into its row
 *
 * Each field is a maximum, a minimum, a count or a value of the highest-ranked fact, so that nothing depends on the order of facts.
 * `foldDeliveryFacts` reads all facts at once and honours supersession; `foldDelivery` adds one fact to a row without superseded facts.
 * Both give the same row.
 *
 * Two fields name the receiving site, so that neither depends on the order: `site` belongs to the last attempt, else to the registration;
 * `remoteSite` belongs to the fact that set the status and changes with it. See receivingSiteOf.
 *
 * Pure. See also: ledger/project/fold, ledger/project/status-rank, ledger/project/broadcast-result.
 */
import { parseDeliveryId, startOfDayNumber } from '../../correlate/delivery-id.ts'
import type { StatusEffect } from '../facts/decision.ts'
import type { AttemptData, RequestData } from '../facts/delivery-facts.ts'
import type { Fact, FactOf } from '../facts/fact.ts'
import { resultOfFact, displayedResultOf } from './broadcast-result.ts'
import { outranks, statusRank } from './status-rank.ts'
import { findSuccessors, isFactInForce, type Successors } from './supersession.ts'
import type { DeliveryRow } from './state.ts'

/** Lists of deliveries show `sendLog`. */
const MAX_SEND_LOG_LENGTH = 512

/** The row of a delivery before its first fact. */
export function createEmptyDelivery(fact: Pick<Fact, 'account' | 'subject' | 'deliveryMonth'>): DeliveryRow {
  const parts = parseDeliveryId(fact.subject)
  return {
    ...EMPTY_DELIVERY,
    account: fact.account,
    deliveryId: fact.subject,
    month: fact.deliveryMonth,
    requestedAt: parts === null ? 0 : startOfDayNumber(parts.day),
  }
}

/** Folds all facts of one delivery. Null: there are none. */
export function foldDeliveryFacts(facts: readonly Fact[]): DeliveryRow | null {
  const [first] = facts
  if (first === undefined) return null
  const corrections = findCorrections(facts)
  return facts.reduce((row, fact) => foldDelivery(row, fact, corrections), createEmptyDelivery(first))
}

/** What later facts say about earlier ones. */
type Corrections = {
  readonly successors: Successors
  /** Clicks of machines that were taken for a person's, and whether they count even so. */
  readonly machineClicks: ReadonlyMap<string, boolean>
}

function findCorrections(facts: readonly Fact[]): Corrections {
  const machineClicks = new Map<string, boolean>()
  for (const fact of facts) {
    if (fact.kind !== 'machine-clicks') continue
    for (const id of fact.data.clicks) machineClicks.set(id, fact.data.counted && (machineClicks.get(id) ?? true))
  }
  return { successors: findSuccessors(facts), machineClicks }
}

/** Adds one fact to a row. `corrections` null: no fact of this delivery corrects another. */
export function foldDelivery(row: DeliveryRow, fact: Fact, corrections: Corrections | null): DeliveryRow {
  const successors = corrections?.successors ?? null
  const effect = successors === null || isFactInForce(fact, successors) ? effectOfFact(fact) : null
  // All parts read the row as it was before the fact, so it is copied once.
  const fields = fieldsOfFact(row, fact, corrections)
  const result = resultAfter(row, fact, effect, successors)
  const { openedAt, clickedAt } = { openedAt: row.openedAt, clickedAt: row.clickedAt, ...fields }
  return {
    ...row,
    ...fields,
    ...statusAfter(row, fact, effect),
    ...result,
    modifiedAt: Math.max(row.modifiedAt, fact.receivedAt),
    result: displayedResultOf(result.resultBase ?? row.resultBase, openedAt, clickedAt),
  }
}

function effectOfFact(fact: Fact): StatusEffect | null {
  return 'effect' in fact.data ? fact.data.effect : null
}

function statusAfter(row: DeliveryRow, fact: Fact, effect: StatusEffect | null): Partial<DeliveryRow> {
  if (effect === null) return {}
  const next = { rank: statusRank(effect), at: fact.at, fact: fact.id }
  if (!outranks(next, { rank: row.statusRank, at: row.statusAt, fact: row.statusFact })) return {}
  const outcome = fact.data
  return {
    ...effect,
    statusAt: next.at,
    statusFact: next.fact,
    statusRank: next.rank,
    rule: 'verdict' in outcome ? (outcome.verdict?.rule ?? null) : null,
    remoteSite: 'remoteSite' in outcome ? outcome.remoteSite : null,
    reportedDomain: 'reportedDomain' in outcome ? outcome.reportedDomain : null,
    sendLog: ('text' in outcome ? outcome.text : '').slice(0, MAX_SEND_LOG_LENGTH),
  }
}

function resultAfter(row: DeliveryRow, fact: Fact, effect: StatusEffect | null, successors: Successors | null): Partial<DeliveryRow> {
  const isSuperseded = effect === null && successors !== null && !isFactInForce(fact, successors)
  const outcome = isSuperseded ? null : resultOfFact(fact, effect)
  if (outcome === null) return {}
  const next = { rank: outcome.rank, at: fact.at, fact: fact.id }
  if (!outranks(next, { rank: row.resultRank, at: row.resultAt, fact: row.resultFact })) return {}
  return { resultBase: outcome.result, resultRank: next.rank, resultAt: next.at, resultFact: next.fact }
}

/** What a fact changes besides status and result. */
function fieldsOfFact(row: DeliveryRow, fact: Fact, corrections: Corrections | null): Partial<DeliveryRow> {
  switch (fact.kind) {
    case 'request':
      return { ...registrationFields(fact.data), addressHash: fact.addressHash, site: row.routeKey === '' ? fact.data.site : row.site }
    case 'attempt':
      return { ...routeFields(row, fact, fact.data), attempts: row.attempts + 1, ...deliveredAtField(row, fact, fact.data.effect) }
    case 'delivered':
      return deliveredAtField(row, fact, fact.data.effect)
    case 'open':
    case 'click':
      return engagementFields(row, fact, corrections)
    case 'complaint':
      return { complaints: row.complaints + 1, complaintEpisode: Math.max(row.complaintEpisode, fact.data.episode + 1) }
    case 'not-spam':
      return { notSpamEpisode: Math.max(row.notSpamEpisode, fact.data.episode + 1) }
    case 'unsubscribe':
      return { unsubscribes: row.unsubscribes + 1 }
    case 'reclassified':
    case 'machine-clicks':
      return { reclassified: true }
    default:
      return {}
  }
}

/** Machines are counted apart. Only what counts sets a time, so that a machine is no sign of life. */
function engagementFields(row: DeliveryRow, fact: FactOf<'open'> | FactOf<'click'>, corrections: Corrections | null): Partial<DeliveryRow> {
  const correction = corrections?.machineClicks.get(fact.id)
  const machines = correction !== undefined || fact.data.machine !== null ? 1 : 0
  const isCounted = fact.data.counted && correction !== false
  const touched = isCounted ? { touchedAt: latest(row.touchedAt, fact.at) } : {}
  if (fact.kind === 'open')
    return {
      opens: row.opens + 1,
      machineOpens: row.machineOpens + machines,
      ...(isCounted ? { openedAt: earliest(row.openedAt, fact.at) } : {}),
      ...touched,
    }
  return {
    clicks: row.clicks + 1,
    machineClicks: row.machineClicks + machines,
    ...(isCounted ? { clickedAt: earliest(row.clickedAt, fact.at) } : {}),
    ...touched,
  }
}

function registrationFields(data: RequestData): Partial<DeliveryRow> {
  const { site: _, result: _result, settingsVersion: _version, ...fields } = data
  return { ...fields, registered: true }
}

/** The last attempt names the route, ordered by number, time and id. */
function routeFields(row: DeliveryRow, fact: FactOf<'attempt'>, data: AttemptData): Partial<DeliveryRow> {
  const routeKey = `${String(data.n ?? 0).padStart(6, '0')}/${String(fact.at).padStart(16, '0')}/${fact.id}`
  return routeKey > row.routeKey ? { routeKey, mx: data.mx, egressIp: data.egressIp, site: data.site } : {}
}

function deliveredAtField(row: DeliveryRow, fact: Fact, effect: StatusEffect | null): Partial<DeliveryRow> {
  return effect?.status === 1 ? { deliveredAt: earliest(row.deliveredAt, fact.at) } : {}
}

const earliest = (current: number | null, at: number): number => Math.min(current ?? at, at)
const latest = (current: number | null, at: number): number => Math.max(current ?? at, at)

const EMPTY_DELIVERY: DeliveryRow = {
  account: 0,
  deliveryId: '',
  month: 0,
  emailId: null,
  messageId: null,
  recipient: null,
  addressHash: null,
  domain: '',
  site: null,
  apiUser: '',
  labelId: null,
  label: null,
  emailType: 'trigger',
  broadcast: null,
  from: '',
  subject: '',
  headers: {},
  messageIdHeader: null,
  requestIp: null,
  egressIp: null,
  mx: null,
  routeKey: '',
  requestedAt: 0,
  registered: false,
  status: 18,
  subStatus: null,
  asynchronous: false,
  reason: null,
  permanence: null,
  fault: null,
  weak: false,
  forwarded: false,
  engaged: false,
  statusAt: 0,
  statusFact: '',
  statusRank: 0,
  rule: null,
  reportedDomain: null,
  remoteSite: null,
  sendLog: '',
  deliveredAt: null,
  openedAt: null,
  clickedAt: null,
  touchedAt: null,
  attempts: 0,
  opens: 0,
  clicks: 0,
  machineOpens: 0,
  machineClicks: 0,
  complaints: 0,
  unsubscribes: 0,
  complaintEpisode: 0,
  notSpamEpisode: 0,
  modifiedAt: 0,
  result: 'unsent',
  resultBase: 'unsent',
  resultRank: 0,
  resultAt: 0,
  resultFact: '',
  reclassified: false,
}
