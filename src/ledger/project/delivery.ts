/**
 * delivery - the row of one delivery out of its facts
 *
 * Each field is a greatest, a least, a count or the share of a constant: nothing depends on order. `foldFacts` reads all facts at once and
 * honours supersession; `foldDelivery` adds one fact to a row that knows no supersession. Both give the same.
 *
 * Two fields say where a mail was received, so that neither depends on order: `site` is the last attempt's route, else the request's;
 * `remoteSite` belongs to the fact that set the status, and comes and goes with it. The first that there is counts (receivingSite).
 *
 * Pure. See also: ledger/project/fold, ledger/project/status-rank, ledger/project/broadcast-result.
 */
import { parseDeliveryId, startOfDay } from '../../correlate/delivery-id.ts'
import type { AttemptData, Effect, Fact, FactOf, RequestData } from '../facts/fact.ts'
import { resultOf, shownResult } from './broadcast-result.ts'
import { outranks, statusRank } from './status-rank.ts'
import type { DeliveryRow } from './state.ts'

/** `sendLog` is what lists of statuses show. */
const MAX_SEND_LOG = 512

/** The row of a delivery of which nothing but a fact is known. */
export function blankDelivery(fact: Pick<Fact, 'account' | 'subject' | 'deliveryMonth'>): DeliveryRow {
  const parts = parseDeliveryId(fact.subject)
  return {
    ...BLANK,
    account: fact.account,
    deliveryId: fact.subject,
    month: fact.deliveryMonth,
    requestedAt: parts === null ? 0 : startOfDay(parts.day),
  }
}

/** Folds all facts of one delivery. Null: there are none. */
export function foldFacts(facts: readonly Fact[]): DeliveryRow | null {
  const [first] = facts
  if (first === undefined) return null
  const inForce = superseded(facts)
  return facts.reduce((row, fact) => foldDelivery(row, fact, inForce), blankDelivery(first))
}

/** For each superseded fact the one that took its place: of several the one with the highest id. */
function superseded(facts: readonly Fact[]): ReadonlyMap<string, string> {
  const heirs = new Map<string, string>()
  for (const fact of facts) {
    if (fact.kind !== 'reclassified') continue
    const now = heirs.get(fact.data.supersedes)
    if (now === undefined || fact.id > now) heirs.set(fact.data.supersedes, fact.id)
  }
  return heirs
}

/** Adds one fact to a row. `heirs` null: nothing of this delivery was superseded. */
export function foldDelivery(row: DeliveryRow, fact: Fact, heirs: ReadonlyMap<string, string> | null): DeliveryRow {
  const effect = heirs === null || isInForce(fact, heirs) ? effectIn(fact) : null
  // No part touches what status and result are weighed by: all three look at the row before, and the row is copied once.
  const part = partOf(row, fact)
  const result = resultAfter(row, fact, effect, heirs)
  const { openedAt, clickedAt } = { openedAt: row.openedAt, clickedAt: row.clickedAt, ...part }
  return {
    ...row,
    ...part,
    ...statusAfter(row, fact, effect),
    ...result,
    modifiedAt: Math.max(row.modifiedAt, fact.receivedAt),
    result: shownResult(result.resultBase ?? row.resultBase, openedAt, clickedAt),
  }
}

function isInForce(fact: Fact, heirs: ReadonlyMap<string, string>): boolean {
  if (heirs.has(fact.id)) return false
  return fact.kind !== 'reclassified' || heirs.get(fact.data.supersedes) === fact.id
}

function effectIn(fact: Fact): Effect | null {
  return 'effect' in fact.data ? fact.data.effect : null
}

function statusAfter(row: DeliveryRow, fact: Fact, effect: Effect | null): Partial<DeliveryRow> {
  if (effect === null) return {}
  const next = { rank: statusRank(effect), at: fact.at, fact: fact.id }
  if (!outranks(next, { rank: row.statusRank, at: row.statusAt, fact: row.statusFact })) return {}
  const said = fact.data
  return {
    ...effect,
    statusAt: next.at,
    statusFact: next.fact,
    statusRank: next.rank,
    rule: 'verdict' in said ? (said.verdict?.rule ?? null) : null,
    remoteSite: 'remoteSite' in said ? said.remoteSite : null,
    reportedDomain: 'reportedDomain' in said ? said.reportedDomain : null,
    sendLog: ('text' in said ? said.text : '').slice(0, MAX_SEND_LOG),
  }
}

function resultAfter(row: DeliveryRow, fact: Fact, effect: Effect | null, heirs: ReadonlyMap<string, string> | null): Partial<DeliveryRow> {
  const isGone = effect === null && heirs !== null && !isInForce(fact, heirs)
  const said = isGone ? null : resultOf(fact, effect)
  if (said === null) return {}
  const next = { rank: said.rank, at: fact.at, fact: fact.id }
  if (!outranks(next, { rank: row.resultRank, at: row.resultAt, fact: row.resultFact })) return {}
  return { resultBase: said.result, resultRank: next.rank, resultAt: next.at, resultFact: next.fact }
}

/** What a fact adds besides status and result. */
function partOf(row: DeliveryRow, fact: Fact): Partial<DeliveryRow> {
  switch (fact.kind) {
    case 'request':
      return { ...registration(fact.data), addressHash: fact.addressHash, site: row.routeKey === '' ? fact.data.site : row.site }
    case 'attempt':
      return { ...route(row, fact, fact.data), attempts: row.attempts + 1, ...delivery(row, fact, fact.data.effect) }
    case 'delivered':
      return delivery(row, fact, fact.data.effect)
    case 'open':
      return { opens: row.opens + 1, openedAt: least(row.openedAt, fact.at), touchedAt: greatest(row.touchedAt, fact.at) }
    case 'click':
      return { clicks: row.clicks + 1, clickedAt: least(row.clickedAt, fact.at), touchedAt: greatest(row.touchedAt, fact.at) }
    case 'complaint':
      return { complaints: row.complaints + 1, complaintEpisode: Math.max(row.complaintEpisode, fact.data.episode + 1) }
    case 'not-spam':
      return { notSpamEpisode: Math.max(row.notSpamEpisode, fact.data.episode + 1) }
    case 'unsubscribe':
      return { unsubscribes: row.unsubscribes + 1 }
    case 'reclassified':
      return { reclassified: true }
    default:
      return {}
  }
}

function registration(data: RequestData): Partial<DeliveryRow> {
  const { site: _, result: _result, settingsVersion: _version, ...fields } = data
  return { ...fields, registered: true }
}

/** The last attempt names the route: by its number, then its time, then its id. */
function route(row: DeliveryRow, fact: FactOf<'attempt'>, data: AttemptData): Partial<DeliveryRow> {
  const routeKey = `${String(data.n ?? 0).padStart(6, '0')}/${String(fact.at).padStart(16, '0')}/${fact.id}`
  return routeKey > row.routeKey ? { routeKey, mx: data.mx, egressIp: data.egressIp, site: data.site } : {}
}

function delivery(row: DeliveryRow, fact: Fact, effect: Effect | null): Partial<DeliveryRow> {
  return effect?.status === 1 ? { deliveredAt: least(row.deliveredAt, fact.at) } : {}
}

const least = (now: number | null, at: number): number => Math.min(now ?? at, at)
const greatest = (now: number | null, at: number): number => Math.max(now ?? at, at)

const BLANK: DeliveryRow = {
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
