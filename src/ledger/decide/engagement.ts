/**
 * engagement - the facts of one open or click
 *
 * The sign of a machine, the place and the reading of the client are decided here and stored, so that a later database or table changes no
 * fact. The status of the mail does not change. If it bounced and its address is on the bounce list, a person's open or click contradicts the
 * entry, and an alarm says so, once for each mail.
 *
 * Pure. See also: ledger/facts/delivery-facts, tracking/machine-reading, service/track/commit-engagement.
 */
import { storedUserAgent, type ClientReading } from '../../tracking/client-reading.ts'
import { storedIp } from '../../tracking/ip-privacy.ts'
import { readMachine, type EngagementSigns } from '../../tracking/machine-reading.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { EngagementData } from '../facts/delivery-facts.ts'
import type { Fact } from '../facts/fact.ts'
import { aboutDelivery, createFact, type FactMoment } from '../facts/new-fact.ts'
import { suppressionKey, type DeliveryRow, type LedgerState } from '../project/state.ts'
import { isEntryInForce } from '../suppress/suppression.ts'
import { clearPersonalFields } from './redact.ts'

type EngagementInput = Pick<EngagementSigns, 'kind' | 'method' | 'purpose' | 'userAgent' | 'isBot' | 'ip' | 'isBurst'> &
  Pick<EngagementData, 'requestId' | 'url' | 'country' | 'region' | 'city'> & {
    readonly client: ClientReading
    readonly ledger: LedgerState
    readonly delivery: DeliveryRow
    readonly settings: AccountSettings
    readonly moment: FactMoment
  }

/**
 * A mail has so many facts of one kind at most, and as many of machines, so that a scanner does not hide its reader: a reader opens a mail a few
 * times, a mailing list that it was forwarded to a few hundred.
 */
const MAX_FACTS = 200

/** The facts of one request; none if the mail has as many as it may have. The first of them is the open or click. */
export function decideEngagement(input: EngagementInput): readonly Fact[] {
  const { kind, delivery, moment } = input
  const data = engagementDataOf(input)
  if (isFull(delivery, kind, data.machine !== null)) return []
  const fact = createFact(kind, aboutDelivery(delivery), moment, data)
  // After an erasure, a link that still works must not bring back what was erased.
  const stored = delivery.recipient === null ? clearPersonalFields(fact) : fact
  return [stored, ...(data.machine === null ? contradictionFacts(input) : [])]
}

function isFull({ opens, machineOpens, clicks, machineClicks }: DeliveryRow, kind: 'open' | 'click', isMachine: boolean): boolean {
  const [all, machines] = kind === 'open' ? [opens, machineOpens] : [clicks, machineClicks]
  return (isMachine ? machines : all - machines) >= MAX_FACTS
}

function engagementDataOf(input: EngagementInput): EngagementData {
  const { kind, delivery, settings, moment, requestId, url, ip, userAgent, client, country, region, city } = input
  const { deliveredAt, requestedAt } = delivery
  const machine = readMachine({ ...input, at: moment.at, deliveredAt, requestedAt })
  const counted = machine === null || settings.machineEngagement === 'count'
  const isRepeat = (kind === 'open' ? delivery.openedAt : delivery.clickedAt) !== null
  return {
    requestId,
    url: kind === 'click' ? url : null,
    ip: storedIp(ip, settings.engagementIp),
    userAgent: storedUserAgent(userAgent, settings.engagementUserAgent),
    country,
    region,
    city,
    ...client,
    machine,
    counted,
    first: counted && !isRepeat,
    settingsVersion: settings.version,
  }
}

/** Whether the mail bounced although somebody opened it or followed a link. One of both is wrong. */
export const isContradicted = ({ status, openedAt, clickedAt }: Pick<DeliveryRow, 'status' | 'openedAt' | 'clickedAt'>): boolean =>
  (status === 4 || status === 5) && (openedAt !== null || clickedAt !== null)

function contradictionFacts({ ledger, delivery, kind, moment }: EngagementInput): readonly Fact[] {
  const { account, addressHash, status, subStatus, rule, apiUser } = delivery
  if (addressHash === null || (status !== 4 && status !== 5)) return []
  const entry = ledger.suppressions.get(suppressionKey({ account, list: 'bounce', addressHash, scope: '' }))
  if (entry === undefined || !isEntryInForce(entry, moment.at)) return []
  const text = `a mail that bounced was ${kind === 'open' ? 'opened' : 'clicked'}, and its address is on the bounce list: the entry may be wrong`
  // No time and no kind: the first open or click of a mail says it.
  const detail = { emailId: delivery.emailId, status, subStatus, rule, apiUser }
  return [createFact('alarm', aboutDelivery(delivery), moment, { alarm: 'engaged-bounce', text, detail })]
}

/** Withdraws clicks that were taken for a person's, because other links of the mail were followed at the same time. */
export function decideMachineClicks(
  delivery: DeliveryRow,
  clicks: readonly string[],
  { settings, moment }: Pick<EngagementInput, 'settings' | 'moment'>,
): Fact {
  return createFact('machine-clicks', aboutDelivery(delivery), moment, {
    clicks,
    counted: settings.machineEngagement === 'count',
    settingsVersion: settings.version,
  })
}
