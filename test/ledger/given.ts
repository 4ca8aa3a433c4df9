/**
 * given - a small history of deliveries and reports for the ledger's tests, with defaults for what does not matter
 */
import { normaliseAddress } from '../../src/correlate/address-hash.ts'
import { dayNumberOf, formatDeliveryId } from '../../src/correlate/delivery-id.ts'
import type { ReportMatch } from '../../src/correlate/match.ts'
import { REASONS, type Reason } from '../../src/classify/reasons.ts'
import type { Permanence, Verdict } from '../../src/classify/verdict.ts'
import { decideAttempt, type ObservedAttempt } from '../../src/ledger/decide/attempt.ts'
import { decideReport } from '../../src/ledger/decide/report.ts'
import type { ReportInput } from '../../src/ledger/decide/report-input.ts'
import { decideRequest } from '../../src/ledger/decide/request.ts'
import type { EngagementData, RequestData } from '../../src/ledger/facts/delivery-facts.ts'
import type { Fact } from '../../src/ledger/facts/fact.ts'
import { applyFacts } from '../../src/ledger/project/fold.ts'
import type { FactMoment } from '../../src/ledger/facts/new-fact.ts'
import { type AccountSettings, DEFAULT_ACCOUNT_SETTINGS } from '../../src/ledger/account-settings.ts'
import {
  type DeliveryRow,
  createLedgerState,
  type SuppressionRow,
  suppressionKey,
  type LedgerState,
} from '../../src/ledger/project/state.ts'
import type { ComplaintReport, RecipientReport, Report } from '../../src/mail/report.ts'

export const T0 = Date.UTC(2026, 5, 1, 12)
export const MINUTE = 60_000
export const HOUR = 3_600_000
export const DAY = 86_400_000

/** A small history. Each step is decided and its facts are applied. */
export type Story = {
  readonly ledger: LedgerState
  settings: AccountSettings
  readonly facts: Fact[]
  /** Registers one mail and returns its deliveryId. */
  send: (at: number, over?: Partial<RequestData> & { account?: number; to?: string | null; isSelected?: boolean; id?: string }) => string
  row: (id: string) => DeliveryRow
  attempt: (id: string, at: number, observed: Partial<ObservedAttempt>, verdict?: Verdict | null) => readonly Fact[]
  /** A failed report, with a valid token unless the match says otherwise. */
  bounce: (
    id: string,
    at: number,
    verdict: Verdict,
    over?: Partial<RecipientReport>,
    match?: Partial<ReportMatch<DeliveryRow>>,
  ) => readonly Fact[]
  report: (id: string, at: number, report: Partial<Report>, over?: Over) => readonly Fact[]
  entry: (list: SuppressionRow['list'], address: string, over?: { account?: number; scope?: string }) => SuppressionRow | null
  apply: (facts: readonly Fact[]) => readonly Fact[]
  moment: (at: number) => FactMoment
}

/** The parts of a report's input that a test overrides. */
export type Over = Partial<Omit<ReportInput, 'match'>> & { readonly match?: Partial<ReportMatch<DeliveryRow>> }

export const TO = 'joe@example.com'

export function story(settings: Partial<AccountSettings> = {}): Story {
  const ledger = createLedgerState({ keepsFacts: true })
  let ids = 0
  let sequence = 0
  let mails = 0
  const moment = (at: number): FactMoment => ({
    at,
    receivedAt: at,
    ids: { next: () => `00000000-0000-7000-8000-${String((ids += 1)).padStart(12, '0')}` },
  })
  const self: Story = {
    ledger,
    settings: { ...DEFAULT_ACCOUNT_SETTINGS, ...settings },
    facts: [],
    moment,
    apply: (facts) => {
      self.facts.push(...facts)
      applyFacts(ledger, facts)
      return facts
    },
    send: (at, over = {}) => {
      const { account = 1, to = TO, isSelected = true, id, ...request } = over
      const deliveryId = id ?? formatDeliveryId({ day: dayNumberOf(at), account, sequence: (sequence += 1) }) ?? ''
      self.apply(decideRequest(requestInput(self, { account, to, isSelected, deliveryId, at, request })))
      return deliveryId
    },
    row: (id) => ledger.deliveries.get(id) ?? missing(id),
    attempt: (id, at, observed, decided = null) =>
      self.apply(
        decideAttempt({
          ledger,
          delivery: self.row(id),
          attempt: {
            n: null,
            code: null,
            status: null,
            text: '',
            error: null,
            mx: null,
            egressIp: null,
            site: 'example',
            final: null,
            source: 'api',
            ...observed,
          },
          verdict: decided,
          settings: self.settings,
          moment: moment(at),
        }),
      ),
    report: (id, at, report, over = {}) => {
      const delivery = ledger.deliveries.get(id) ?? null
      return self.apply(
        decideReport({
          ledger,
          report: { ...REPORT, ...report },
          verdicts: [],
          sites: [],
          digest: String((mails += 1)).padStart(64, '0'),
          isForHumans: false,
          isDoubleBounce: false,
          reporter: 'reporter.example',
          settings: self.settings,
          moment: moment(at),
          ...over,
          match: { ...matched(id, delivery), ...over.match },
        }),
      )
    },
    bounce: (id, at, decided, over = {}, match = {}) =>
      self.report(
        id,
        at,
        { kind: 'bounce', recipients: [{ ...GROUP, recipient: ledger.deliveries.get(id)?.recipient ?? null, ...over }] },
        { verdicts: [decided], match: { ...matched(id, ledger.deliveries.get(id) ?? null), ...match } },
      ),
    entry: (list, address, { account = 1, scope = '' } = {}) =>
      ledger.suppressions.get(suppressionKey({ account, list, addressHash: normaliseAddress(address)?.hash ?? '', scope })) ?? null,
  }
  return self
}

function missing(id: string): never {
  throw new Error(`no delivery ${id}`)
}

function matched(id: string, delivery: DeliveryRow | null): ReportMatch<DeliveryRow> {
  return {
    account: delivery?.account ?? 1,
    deliveryId: id,
    delivery,
    stub: delivery?.registered !== true,
    weak: false,
    via: 'rcpt',
    proof: 'token',
    problem: null,
  }
}

function requestInput(
  self: Story,
  given: { account: number; to: string | null; isSelected: boolean; deliveryId: string; at: number; request: Partial<RequestData> },
): Parameters<typeof decideRequest>[0] {
  const { account, to, isSelected, deliveryId, at, request } = given
  const address = to === null ? null : normaliseAddress(to)
  return {
    ledger: self.ledger,
    account,
    deliveryId,
    address,
    isSelected,
    isQueued: false,
    settings: self.settings,
    moment: self.moment(at),
    request: {
      emailId: `${deliveryId}x0$${to ?? ''}`,
      messageId: `${deliveryId}x`,
      recipient: to,
      domain: address?.domain ?? '',
      site: address?.domain ?? null,
      apiUser: 'api',
      labelId: null,
      label: null,
      emailType: 'trigger',
      broadcast: null,
      from: 'sender@example.org',
      subject: 'Hello',
      headers: {},
      messageIdHeader: `${deliveryId}@example.org`,
      requestIp: null,
      requestedAt: at,
      ...request,
    },
  }
}

/** A verdict with the sub status and fault of its reason. */
export function verdict(
  reason: Reason,
  permanence: Permanence = 'permanent',
  over: Partial<Verdict> & { code?: number | null; status?: string | null } = {},
): Verdict {
  const { code = permanence === 'permanent' ? 550 : 450, status = null, ...rest } = over
  const row = REASONS[reason]
  return {
    reason,
    fault: row.fault,
    permanence,
    subStatus: row[permanence],
    weak: false,
    deferral: false,
    rule: `test-${reason}`,
    table: 'test',
    backoffClass: null,
    evidence: {
      matched: [reason],
      text: `text of ${reason}`,
      code,
      status,
      permanenceFrom: 'reply-code',
      provider: null,
      providerFrom: null,
    },
    ...rest,
  }
}

export const GROUP: RecipientReport = {
  recipient: null,
  originalRecipient: null,
  action: 'failed',
  status: null,
  reply: { code: null, status: null, text: '' },
  replySource: 'none',
  remoteMta: null,
  text: 'refused',
  lastAttemptAt: null,
  willRetryUntil: null,
}

const REPORT: Report = {
  kind: 'other',
  format: 'test',
  recipients: [],
  complaint: null,
  tlsReport: null,
  originalMessage: null,
  isForwarded: false,
  envelopeId: null,
  queueId: null,
  reportingMta: null,
  headers: {},
  from: 'mailer@reporter.example',
  to: [],
  subject: 'report',
  messageId: null,
  sentAt: null,
  text: 'text',
  defects: [],
}

export const COMPLAINT: ComplaintReport = {
  format: 'arf',
  feedbackType: 'abuse',
  userAgent: null,
  version: '1',
  originalMailFrom: null,
  originalRcptTo: [],
  arrivalAt: null,
  sourceIp: null,
  incidents: 1,
  reportedDomains: [],
  fields: {},
}

/** The payload of a person's open or click, with some fields replaced. */
export const engagementData = (over: Partial<EngagementData> = {}): EngagementData => ({
  requestId: 'r1',
  url: null,
  ip: null,
  userAgent: null,
  country: null,
  region: null,
  city: null,
  device: null,
  browser: null,
  browserVersion: null,
  system: null,
  systemVersion: null,
  machine: null,
  counted: true,
  first: false,
  settingsVersion: 1,
  ...over,
})
