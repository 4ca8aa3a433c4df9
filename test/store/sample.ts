/** sample - sample rows for the tests of the store; each test states only what it is about */
import { engagementData } from '../ledger/given.ts'
import { createHash } from 'node:crypto'
import { dayCodeOf, dayNumberOf, monthOfDelivery } from '../../src/correlate/delivery-id.ts'
import type { Fact } from '../../src/ledger/facts/fact.ts'
import { FACT_KINDS, type FactData, type FactKind } from '../../src/ledger/facts/fact-kinds.ts'
import { createLedgerState, inboxKey, suppressionKey } from '../../src/ledger/project/state.ts'
import type { DeliveryRow, InboxRow, SuppressionRow, LedgerState } from '../../src/ledger/project/state.ts'
import type { ReportRow } from '../../src/store/mail/reports.ts'

/** Lists the tables of a store. */
export const TABLE_NAMES = {
  sqlite: "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'",
  postgres:
    "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition",
} as const

export const T0 = Date.UTC(2026, 2, 1, 12)
const HOUR = 3_600_000
export const DAY = 24 * HOUR

/** 64 hex digits that are derived from a name. */
export const hashOf = (name: string): string => createHash('sha256').update(name).digest('hex')

/** A UUID that is derived from a name, or the n-th UUID in order. */
export function idOf(name: string | number): string {
  const digits = typeof name === 'number' ? name.toString(16).padStart(32, '0') : hashOf(name)
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20, 32)].join('-')
}

/** A deliveryId: 13 characters, in the order of n. */
export function deliveryIdOf(n: number): string {
  const digits = n.toString(32).padStart(10, '0')
  return dayCodeOf(dayNumberOf(T0)) + digits.replace(/./g, (digit) => 'abcdefghijklmnopqrstuvwxyz234567'.charAt(Number.parseInt(digit, 32)))
}

export function sampleDelivery(over: Partial<DeliveryRow> & { readonly n: number }): DeliveryRow {
  const { n, ...rest } = over
  const recipient = rest.recipient === undefined ? `r${n}@example.com` : rest.recipient
  return {
    account: 1,
    deliveryId: deliveryIdOf(n),
    month: 202603,
    emailId: `m${n}x0$${recipient}`,
    messageId: `m${n}x`,
    recipient,
    addressHash: recipient === null ? null : hashOf(recipient),
    domain: 'example.com',
    site: 'mx.example.com',
    apiUser: 'sender',
    labelId: null,
    label: null,
    emailType: 'trigger',
    broadcast: null,
    from: 'news@example.org',
    subject: 'Hello',
    headers: { 'SC-Custom-a': 'b' },
    messageIdHeader: `<${n}@example.org>`,
    requestIp: '192.0.2.1',
    egressIp: null,
    mx: null,
    routeKey: '',
    requestedAt: T0 + n * 1_000,
    registered: true,
    status: 18,
    subStatus: null,
    asynchronous: false,
    reason: null,
    permanence: null,
    fault: null,
    weak: false,
    forwarded: false,
    engaged: false,
    statusAt: T0,
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
    modifiedAt: T0,
    result: 'sent',
    resultBase: 'sent',
    resultRank: 1,
    resultAt: T0,
    resultFact: '',
    reclassified: false,
    ...rest,
  }
}

export function sampleSuppression(over: Partial<SuppressionRow> = {}): SuppressionRow {
  const address = over.address === undefined ? 'gone@example.com' : over.address
  return {
    account: 1,
    list: 'bounce',
    addressHash: hashOf(address ?? 'erased'),
    scope: '',
    address,
    domain: 'example.com',
    isDomain: false,
    n: 1,
    change: 1,
    from: T0,
    until: null,
    removedAt: null,
    pending: false,
    reason: 'not-exist',
    rule: 'google-no-such-user',
    site: 'mx.example.com',
    deliveryId: deliveryIdOf(1),
    proof: 'token',
    unsubscribeType: null,
    apiUser: 'sender',
    labelId: null,
    factId: idOf('cause'),
    ...over,
  }
}

export function sampleInbox(over: Partial<InboxRow> = {}): InboxRow {
  return {
    account: 1,
    digest: hashOf('mail'),
    reason: 'unmatched',
    kind: 'bounce',
    state: 'open',
    receivedAt: T0,
    from: 'postmaster@example.net',
    subject: 'Undelivered',
    summary: 'points at nothing',
    deliveryId: null,
    stateAt: T0,
    factId: idOf('inbox'),
    ...over,
  }
}

export function sampleReport(over: Partial<ReportRow> = {}): ReportRow {
  return {
    digest: hashOf('mail'),
    account: 1,
    receivedAt: T0,
    kind: 'bounce',
    size: 4_096,
    truncated: false,
    peer: '192.0.2.9',
    mailFrom: '',
    rcptTo: 'token@bounce.example.org',
    source: 'smtp',
    sessionId: 's1',
    auth: null,
    content: null,
    ...over,
  }
}

type FactInput<K extends FactKind> = { readonly kind: K; readonly data: FactData[K]; readonly n: number } & Partial<
  Omit<Fact, 'kind' | 'data'>
>

export function sampleFact<K extends FactKind>(input: FactInput<K>): Fact {
  const { n, ...rest } = input
  const deliveryId = deliveryIdOf(n)
  const fact = {
    id: idOf(`${rest.account ?? 1}/${n}/${input.kind}`),
    v: FACT_KINDS[input.kind].version,
    at: T0,
    receivedAt: T0,
    account: 1,
    deliveryId,
    deliveryMonth: monthOfDelivery(input.subject ?? deliveryIdOf(input.n)),
    subject: deliveryId,
    dedupKey: input.kind,
    addressHash: hashOf(`r${n}@example.com`),
    ...rest,
  }
  // The caller passes kind and data together.
  return fact as Fact
}

export const openFact = (n: number, over: Partial<Fact> = {}): Fact =>
  sampleFact<'open'>({ ...over, n, kind: 'open', data: engagementData({ requestId: `q${n}` }) })

/** Ledger state with these rows, all marked as changed. */
export function ledgerStateOf(rows: {
  readonly deliveries?: readonly DeliveryRow[]
  readonly suppressions?: readonly SuppressionRow[]
  readonly inbox?: readonly InboxRow[]
  readonly facts?: readonly Fact[]
}): LedgerState {
  const ledgerState = createLedgerState()
  for (const row of rows.deliveries ?? []) {
    ledgerState.deliveries.set(row.deliveryId, row)
    ledgerState.dirty.deliveries.add(row.deliveryId)
  }
  for (const row of rows.suppressions ?? []) {
    ledgerState.suppressions.set(suppressionKey(row), row)
    ledgerState.dirty.suppressions.add(suppressionKey(row))
  }
  for (const row of rows.inbox ?? []) {
    ledgerState.inbox.set(inboxKey(row.digest), row)
    ledgerState.dirty.inbox.add(inboxKey(row.digest))
  }
  ledgerState.newFacts.push(...(rows.facts ?? []))
  return ledgerState
}
