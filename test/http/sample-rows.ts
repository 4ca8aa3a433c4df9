/**
 * sample-rows - one row of each table, and one fact, for the tests of the HTTP routes
 */
import { formatDeliveryId } from '../../src/correlate/delivery-id.ts'
import type { Advice } from '../../src/queue/advice/advice.ts'
import type { AlertRow } from '../../src/ledger/alert/alert.ts'
import type { Fact, FactOf } from '../../src/ledger/facts/fact.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../../src/ledger/project/state.ts'
import type { DkimView } from '../../src/service/admin/dkim.ts'
import type { Label } from '../../src/store/account/labels.ts'
import type { ReclassificationRow } from '../../src/store/reclassifications.ts'
import type { ExportRow } from '../../src/store/exports.ts'
import type { QueueCommand } from '../../src/store/queue/commands.ts'
import type { LaneSnapshotRow } from '../../src/store/queue/lane-snapshots.ts'
import type { WebhookRecord } from '../../src/store/webhook/attempts.ts'
import type { Endpoint } from '../../src/store/webhook/endpoints.ts'

export const NOW = Date.UTC(2026, 10, 20, 12)

export const ROW: DeliveryRow = {
  account: 1,
  deliveryId: 'aaaaaaaaaaaaa',
  month: 202611,
  emailId: 'm1x0$joe@example.com',
  messageId: 'm1x',
  recipient: 'joe@example.com',
  addressHash: '00'.repeat(32),
  domain: 'example.com',
  site: null,
  apiUser: 'alice',
  labelId: 7,
  label: 'news',
  emailType: 'trigger',
  broadcast: null,
  from: 'news@example.org',
  subject: 'Hello',
  headers: {},
  messageIdHeader: '<m1x0@example.org>',
  requestIp: null,
  egressIp: null,
  mx: null,
  routeKey: '',
  requestedAt: NOW - 60_000,
  registered: true,
  status: 4,
  subStatus: 406,
  asynchronous: true,
  reason: 'not-exist',
  permanence: 'permanent',
  fault: 'recipient',
  weak: false,
  forwarded: false,
  engaged: false,
  statusAt: NOW,
  statusFact: '0192f000-0000-7000-8000-000000000001',
  statusRank: 5,
  rule: 'google-not-exist',
  reportedDomain: null,
  remoteSite: null,
  sendLog: '550 5.1.1 No such user',
  deliveredAt: null,
  openedAt: null,
  clickedAt: null,
  touchedAt: NOW,
  attempts: 0,
  opens: 0,
  clicks: 0,
  machineOpens: 0,
  machineClicks: 0,
  complaints: 0,
  unsubscribes: 0,
  complaintEpisode: 0,
  notSpamEpisode: 0,
  modifiedAt: NOW,
  result: 'failed',
  resultBase: 'failed',
  resultRank: 3,
  resultAt: NOW,
  resultFact: '0192f000-0000-7000-8000-000000000001',
  reclassified: false,
}

export const FAILED: Fact = {
  id: '0192f000-0000-7000-8000-000000000001',
  kind: 'failed',
  v: 1,
  at: NOW,
  receivedAt: NOW,
  account: 1,
  deliveryId: ROW.deliveryId,
  deliveryMonth: 202611,
  subject: ROW.deliveryId,
  dedupKey: 'x',
  addressHash: null,
  data: {
    source: 'report',
    reported: 'joe@example.com',
    reportedDomain: 'example.com',
    reportStatus: '5.1.1',
    remoteMta: 'mx.example.com',
    site: null,
    remoteSite: null,
    text: '550 5.1.1 No such user',
    verdict: {
      rule: 'google-not-exist',
      table: 't1',
      reason: 'not-exist',
      permanence: 'permanent',
      matched: ['no such user'],
      text: '550 5.1.1 No such user',
      code: 550,
      replyStatus: '5.1.1',
      permanenceFrom: 'reply-code',
      provider: 'google',
    },
    effect: {
      status: 4,
      subStatus: 406,
      asynchronous: true,
      reason: 'not-exist',
      permanence: 'permanent',
      fault: 'recipient',
      weak: false,
      forwarded: false,
      engaged: false,
    },
    tie: { via: 'return-path', proof: 'token' },
    digest: 'd',
    billable: true,
    settingsVersion: 1,
  },
}

export const ENTRY: SuppressionRow = {
  account: 1,
  list: 'bounce',
  addressHash: '00'.repeat(32),
  scope: '',
  address: 'joe@example.com',
  domain: 'example.com',
  isDomain: false,
  n: 1,
  change: 1,
  from: NOW - 1_000,
  until: NOW + 86_400_000,
  removedAt: null,
  pending: false,
  reason: 'not-exist',
  rule: 'google-not-exist',
  site: null,
  deliveryId: ROW.deliveryId,
  proof: 'token',
  unsubscribeType: null,
  apiUser: 'alice',
  labelId: null,
  factId: FAILED.id,
}

export const ITEM: InboxRow = {
  account: 1,
  digest: 'ab'.repeat(32),
  reason: 'unmatched',
  kind: 'bounce',
  state: 'open',
  receivedAt: NOW,
  from: 'mailer-daemon@example.net',
  subject: '=HYPERLINK("x")',
  summary: 'bounce of nobody we know',
  deliveryId: null,
  stateAt: NOW,
  factId: FAILED.id,
}

export const TLS_REPORT: FactOf<'tls-report'> = {
  ...FAILED,
  kind: 'tls-report',
  account: 0,
  subject: 'tls-report:2026-03-12:0123456789abcdef',
  data: {
    reportId: '2026-03-12_bounce.example.com',
    organizationName: '<b>Example</b>',
    contactInfo: 'tls@example.org',
    startsAt: NOW,
    endsAt: NOW,
    successful: 10,
    failed: 1,
    policies: [
      {
        type: 'sts',
        domain: 'bounce.example.com',
        lines: ['version: STSv1'],
        mxHosts: ['mx.bounce.example.com'],
        successful: 10,
        failed: 1,
        failures: [
          {
            resultType: 'certificate-expired',
            sendingMtaIp: '192.0.2.1',
            receivingIp: '198.51.100.1',
            receivingMxHostname: 'mx.bounce.example.com',
            sessions: 1,
            reasonCode: null,
          },
        ],
      },
    ],
    omitted: 0,
    signedBy: 'example.org',
    isOwnDomain: true,
    submitter: 'example.org',
    domain: 'bounce.example.com',
    digest: 'ab'.repeat(32),
  },
}

export const ENDPOINT: Endpoint = {
  account: 1,
  endpointId: 1,
  url: 'https://good.example/held',
  name: 'alice',
  events: ['invalid'],
  apiUsers: [],
  format: 'form',
  ladder: 'standard',
  sealedKey: Buffer.from('sealed'),
  enabled: true,
  createdAt: NOW,
  updatedAt: NOW,
}

export const LABEL: Label = { account: 1, labelId: 7, name: 'news', createdAt: NOW, updatedAt: NOW, deletedAt: null }
export const RECORD: WebhookRecord = {
  account: 1,
  endpointId: 1,
  eventId: FAILED.id,
  subject: ROW.deliveryId,
  deliveryMonth: 202611,
  dedupKey: 'x',
  kind: 'failed',
  event: 'invalid',
  emailId: ROW.emailId,
  state: 'heard',
  tries: 2,
  happenedAt: NOW,
  lastAt: NOW,
  log: [
    { at: NOW, status: 0, millis: 3_000, answer: 'no answer in time' },
    { at: NOW, status: 200, millis: 12, answer: '<script>' },
  ],
}

/** A lane that is paused because of IP reputation; the second reply was to a message of another account. */
export const LANE: LaneSnapshotRow = {
  account: 1,
  domain: 'qq.com',
  savedAt: NOW - 1_000,
  node: 'a',
  status: {
    account: 1,
    domain: 'qq.com',
    state: 'paused',
    isStopped: true,
    reason: 'IP reputation',
    key: 'ip|192.0.2.1|qq',
    class: 'ip-reputation',
    n: 2,
    nextSendingAt: NOW + 1_800_000,
    waiting: 420,
    inFlight: 0,
    rates: { in: [1, 2, 3], try: [0, 0.2, 0.5], out: [0, 0, 0.1] },
    evidence: [
      { at: NOW - 2_000, mailId: formatDeliveryId({ day: 2_000, account: 1, sequence: 1 }) ?? '', code: 550, text: 'mine' },
      { at: NOW - 1_000, mailId: formatDeliveryId({ day: 2_000, account: 2, sequence: 1 }) ?? '', code: 550, text: 'another’s' },
    ],
    perMinute: null,
  },
}

export const ORDER: QueueCommand = {
  account: 1,
  commandId: '0192f000-0000-7000-8000-00000000000a',
  command: { kind: 'recover', account: 1, domain: null, how: 'immediate' },
  actor: 'api:alice',
  state: 'done',
  createdAt: NOW - 100,
  settledAt: NOW,
  moved: 1,
  deleted: 0,
  said: null,
}

export const JOB: ExportRow = {
  account: 1,
  exportId: '0192f000-0000-7000-8000-00000000000e',
  kind: 'status',
  format: 'csv',
  gzip: false,
  bom: false,
  filters: { fault: 'recipient' },
  from: NOW - 86_400_000,
  to: NOW,
  state: 'done',
  askedBy: 'alice',
  createdAt: NOW,
  startedAt: NOW,
  endedAt: NOW,
  expiresAt: NOW + 1,
  rows: 2,
  bytes: 12,
  chunks: 2,
  attempts: 0,
  cursor: null,
  lease: '',
  leaseUntil: 0,
  error: null,
}

const OTHER = { status: 4, subStatus: 409, reason: 'other', permanence: 'permanent' } as const
const NOT_EXIST = { status: 4, subStatus: 406, reason: 'not-exist', permanence: 'permanent' } as const
const READ = { table: 't1', text: '550 no <*@example.com>', code: 550, replyStatus: null } as const
const TALLY = {
  examined: 2,
  changed: 1,
  unreadable: 0,
  groups: [{ account: 1, from: OTHER, to: NOT_EXIST, n: 1, deliveries: 1 }],
  lists: [{ account: 1, action: 'add', n: 1 }],
} as const

export const RECLASSIFICATION: ReclassificationRow = {
  jobId: '0192f000-0000-7000-8000-00000000001e',
  state: 'checked',
  undoes: null,
  since: NOW - 86_400_000,
  until: NOW,
  onlyAccount: 1,
  rules: '[]',
  tableVersion: 't1',
  askedBy: 'operator',
  createdAt: NOW,
  startedAt: NOW,
  endedAt: NOW,
  lists: 'none',
  webhooks: false,
  appliedBy: null,
  cursor: null,
  done: 2,
  total: 2,
  preview: TALLY,
  outcome: TALLY,
  samples: [
    {
      account: 1,
      emailId: ROW.emailId,
      domain: 'example.com',
      at: NOW,
      from: { ...OTHER, ...READ, rule: 'unmatched', matched: [] },
      to: { ...NOT_EXIST, ...READ, rule: 'draft', matched: ['no'] },
      isStatusChanged: true,
    },
  ],
  attempts: 0,
  lease: '',
  leaseUntil: 0,
  error: null,
}

export const ALERT: AlertRow = {
  account: 1,
  alert: 'bounce-rate',
  about: '',
  state: 'raised',
  change: 1,
  since: NOW,
  data: { value: 0.5, volume: 200, threshold: { raise: 0.05, clear: 0.03, minimum: 200 }, from: null },
  factId: FAILED.id,
  mailed: 0,
  mailDueAt: 0,
}

export const MAIL_HEAD = {
  digest: 'cd'.repeat(32),
  receivedAt: NOW,
  size: 20,
  truncated: false,
  mailFrom: 'joe@example.org',
  rcptTo: 'help@in.example.com',
  peer: '192.0.2.1',
}

export const DKIM: DkimView = {
  domain: 'example.com',
  selector: 's1',
  algorithm: 'rsa',
  state: 'waiting',
  createdAt: NOW,
  stateAt: NOW,
  recordName: 's1._domainkey.example.com',
  recordText: 'v=DKIM1; k=rsa; p=x',
  keepUntil: null,
}

export const ADVICE: Advice = {
  key: 'ip|192.0.2.1|qq',
  class: 'ip-rate',
  scope: { egressIp: '192.0.2.1', senderDomain: null, site: 'qq', hosts: null, domain: null },
  domains: ['foxmail.com', 'qq.com'],
  action: 'stop',
  state: 'paused',
  reason: 'IP reputation',
  n: 1,
  since: NOW - 1_000,
  until: NOW + 1_800_000,
  perMinute: null,
  connections: null,
  rule: 'tencent-ip-rate',
  evidence: [
    { at: NOW - 1_000, mailId: formatDeliveryId({ day: 2_000, account: 1, sequence: 1 }) ?? '', code: 550, text: 'Ip frequency limited' },
  ],
}
