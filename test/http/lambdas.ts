/**
 * lambdas - a desk of lambdas and a server on it, so that routes are tested without a store
 */
import type { LightMyRequestResponse } from 'fastify'
import { formatDeliveryId } from '../../src/correlate/delivery-id.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import type { Fact } from '../../src/ledger/facts/fact.ts'
import type { AlertRow } from '../../src/ledger/alert/alert.ts'
import { DEFAULT_ALERT_THRESHOLDS } from '../../src/ledger/alert/alert-rules.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../src/ledger/account-settings.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../../src/ledger/project/state.ts'
import { Fault } from '../../src/errors.ts'
import type { Endpoint } from '../../src/store/webhook/endpoints.ts'
import type { ExportRow } from '../../src/store/exports.ts'
import type { Label } from '../../src/store/account/labels.ts'
import type { WebhookRecord } from '../../src/store/webhook/attempts.ts'
import type { QueueCommand } from '../../src/store/queue/commands.ts'
import type { LaneSnapshotRow } from '../../src/store/queue/lane-snapshots.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import type { DkimView } from '../../src/service/admin/dkim.ts'
import type { Services } from '../../src/http/services.ts'
import type { HttpServer } from '../../src/http/server/http-server.ts'
import { createHttpApp } from '../../src/http/app.ts'
import type { HttpAppOptions } from '../../src/http/app.ts'

export const NOW = Date.UTC(2026, 10, 20, 12)
export const BASIC = `Basic ${Buffer.from('alice:secret-of-alice').toString('base64')}`
export const OPERATOR = 'Bearer secret-of-the-operator'

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

const LABEL: Label = { account: 1, labelId: 7, name: 'news', createdAt: NOW, updatedAt: NOW, deletedAt: null }
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

const RULES = loadRules()

/** A lane that an IP's reputation has stopped; its second answer was given to another account's mail. */
export const LANE: LaneSnapshotRow = {
  account: 1,
  domain: 'qq.com',
  savedAt: NOW - 1_000,
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

// The type asks for an iterable that waits; these pieces are there.
async function* pieces(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a,b\r\n')
  yield* [Buffer.from('1,"2"\r\n')]
}

const ALERT: AlertRow = {
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

/** Calls that reached the desk, by name. */
export type Heard = { readonly name: string; readonly args: readonly unknown[] }[]

export type Bench = {
  readonly web: HttpServer
  readonly desk: Services
  readonly heard: Heard
  readonly ask: (request: Ask) => Promise<LightMyRequestResponse>
}
export type Ask = {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly body?: unknown
  readonly auth?: string | null
  readonly headers?: Record<string, string>
}

/** A server on lambdas; `over` replaces some of them. */
export async function makeBench(over: Partial<Services> = {}, parts: Partial<HttpAppOptions> = {}): Promise<Bench> {
  const heard: Heard = []
  const hear =
    <A extends readonly unknown[], T>(name: string, value: T) =>
    (...args: A): Promise<T> => {
      heard.push({ name, args })
      return Promise.resolve(value)
    }
  const desk: Services = {
    now: () => NOW,
    getSettings: () => Promise.resolve(DEFAULT_ACCOUNT_SETTINGS),
    changeSettings: hear('changeSettings', { ...DEFAULT_ACCOUNT_SETTINGS, version: 2 }),
    register: (by, call) => {
      heard.push({ name: 'register', args: [by, call] })
      const recipients = call.recipients.map(({ recipient }, at) => ({
        recipient,
        emailId: `m1x${at}$${recipient ?? ''}`,
        returnPath: 'a'.repeat(30) + '@bounce.example.com',
        messageIdHeader: '<m1x@bounce.example.com>',
        feedbackId: 'b'.repeat(30),
        headers: { 'Feedback-ID': 'x' },
        status: 18,
        subStatus: null,
      }))
      return Promise.resolve({ messageId: 'm1x', recipients })
    },
    dkim: {
      list: hear('dkim.list', [DKIM]),
      add: (call) => {
        heard.push({ name: 'dkim.add', args: [call] })
        return Promise.resolve({ ...DKIM, state: call.isPublished ? 'active' : 'waiting' })
      },
      rotate: hear('dkim.rotate', [DKIM]),
      activate: (call) => {
        heard.push({ name: 'dkim.activate', args: [call] })
        return call.isPublished || call.selector === 'seen'
          ? Promise.resolve({ ...DKIM, state: 'active' })
          : Promise.reject(new Fault('conflict', 'cannot be seen yet'))
      },
      remove: (call) => {
        heard.push({ name: 'dkim.remove', args: [call] })
        return Promise.resolve(call.domain === DKIM.domain ? 1 : 0)
      },
    },
    submit: (by, call) => {
      heard.push({ name: 'submit', args: [by, call] })
      if (call.body.from.endsWith('@victim.example')) return Promise.reject(new Fault('forbidden', 'not yours'))
      if (call.requestId === 'spent') return Promise.reject(new Fault('quota_exceeded', 'spent'))
      if (call.label !== null && 'id' in call.label && call.label.id !== 7) return Promise.reject(new Fault('not_found', 'no label'))
      const recipients = call.recipients.map(({ recipient }, at) => ({
        recipient,
        emailId: `m1x${at}$${recipient}`,
        status: 18,
        subStatus: null,
      }))
      return Promise.resolve({ messageId: 'm1x', recipients })
    },
    reportAttempts: (by, calls) => {
      heard.push({ name: 'attempts', args: [by, calls] })
      return Promise.resolve(
        calls.map(({ emailId }) => ({
          emailId,
          known: emailId === ROW.emailId,
          fresh: true,
          final: true,
          status: 4,
          subStatus: 406,
          reason: 'not-exist',
          permanence: 'permanent',
          rule: 'r',
        })),
      )
    },
    findMessage: (account, emailId) => Promise.resolve(account === 1 && emailId === ROW.emailId ? { row: ROW, facts: [FAILED] } : null),
    listStatuses: hear('statuses', { rows: [ROW], total: 1, next: null }),
    findUnbilled: () => Promise.resolve(new Set<string>()),
    listSuppressions: hear('suppressions', { rows: [ENTRY], next: null }),
    countSuppressions: hear('countSuppressions', 3),
    checkAddresses: (account, addresses) =>
      Promise.resolve(addresses.map((address) => (account === 1 && address === ENTRY.address ? [ENTRY] : []))),
    removeSuppressions: hear('removeSuppressions', 2),
    addUnsubscribe: hear('addUnsubscribe', { ...ENTRY, list: 'unsubscribe', until: null }),
    reactivateSuppressions: hear('lift', [ENTRY]),
    listInbox: hear('inbox', { rows: [ITEM], next: null }),
    findInboxMail: (account, digest) =>
      Promise.resolve(account !== 2 && digest === ITEM.digest ? { row: ITEM, raw: Buffer.from('From: x\r\n\r\n<script>') } : null),
    resolveInboxItem: hear('settleInbox', { row: { ...ITEM, state: 'accepted' }, changed: true, problem: null, facts: [FAILED] }),
    listAccessBlocks: hear('cuts', [{ kind: 'peer', name: '192.0.2.1', reason: 'a flood', actor: 'operator', createdAt: NOW }]),
    addAccessBlock: hear('addCut', true),
    removeAccessBlock: hear('removeCut', true),
    listMassBounceReviews: hear('brakes', [{ site: 'google', held: true, at: NOW, pending: 2 }]),
    resolveMassBounceReview: hear('releaseBrake', { site: 'google', changed: true, entries: 2 }),
    eraseAddress: hear('eraseAddress', { addressHash: '00'.repeat(32), deliveries: 1, entries: 1, mails: 1 }),
    webhooks: {
      list: hear('webhooks.list', [ENDPOINT]),
      add: hear('webhooks.add', { endpoint: ENDPOINT, secret: 'whsec_x' }),
      change: hear('webhooks.change', { endpoint: ENDPOINT, secret: null }),
      remove: hear('webhooks.remove', true),
      replay: hear('webhooks.replay', { count: 3, next: null }),
      resend: hear('webhooks.resend', true),
      records: hear('webhooks.records', [RECORD]),
      record: (account, _endpointId, eventId) => Promise.resolve(account === 1 && eventId === RECORD.eventId ? RECORD : null),
      pending: hear('webhooks.waiting', []),
      isResponding: (url) => Promise.resolve(url.startsWith('https://good.example/')),
    },
    statistics: {
      sumCounters: hear('counters', []),
      findEngagement: hear('engagement', { rows: [], total: 0 }),
      findLabelNames: hear('namesOfLabels', new Map([[7, 'news']])),
      findLabelIds: hear('labelsLike', [7]),
    },
    labels: {
      list: hear('labels.list', { rows: [LABEL], total: 1 }),
      get: (account, labelId) => Promise.resolve(account === 1 && labelId === 7 ? LABEL : null),
      add: (_, name) => (name === 'taken' ? Promise.reject(new Fault('conflict', 'taken')) : Promise.resolve({ ...LABEL, name })),
      rename: (_, labelId, name) =>
        name === 'taken' ? Promise.reject(new Fault('conflict', 'taken')) : Promise.resolve(labelId === 7 ? { ...LABEL, name } : null),
      remove: (_, labelId) => Promise.resolve(labelId === 7),
    },
    findProfile: hear('profile', {
      account: {
        account: 1,
        name: 'alice',
        createdAt: 0,
        closedAt: null,
        offlineFor: null,
        settingsVersion: 1,
        settings: DEFAULT_ACCOUNT_SETTINGS,
      },
      apiUsers: ['alice', 'alice-batch'],
    }),
    readCommitStamp: hear('stamp', '1'),
    addBlockAllowEntries: (by, call) => {
      heard.push({ name: 'addEntries', args: [by, call] })
      return Promise.resolve([{ ...ENTRY, list: call.list }])
    },
    removeBlockAllowEntries: hear('dropEntries', 1),
    getRules: () => RULES,
    readBroadcastResults: (account, broadcast) =>
      Promise.resolve(
        account === 1 && broadcast === 'spring' ? { counts: new Map([['failed', 1]]), rows: [ROW] } : { counts: new Map(), rows: [] },
      ),
    openEventFeed: hear('follow', { next: () => Promise.resolve([]) }),
    findDeliveryNames: () => Promise.resolve(new Map()),
    listAccountNames: () => Promise.resolve(new Map([[1, 'alice']])),
    queue: {
      deliveryStatus: hear('queue.delivery', { delivering: true, seenAt: NOW }),
      listLanes: hear('queue.lanes', [LANE]),
      listThroughput: hear('queue.series', [{ at: NOW - 5_000, ins: 3, tries: 2, outs: 1 }]),
      submitCommand: (order) => {
        heard.push({ name: 'queue.order', args: [order] })
        return Promise.resolve({ ...ORDER, ...order })
      },
      findCommand: (account, commandId) => Promise.resolve(commandId === ORDER.commandId && account < 2 ? ORDER : null),
    },
    exports: {
      request: hear('exports.ask', JOB),
      list: hear('exports.list', [JOB]),
      find: (account, id) => Promise.resolve(account === 1 && id === JOB.exportId ? JOB : null),
      content: (account, id) => {
        if (account !== 1 || id !== JOB.exportId) return Promise.reject(new Fault('not_found', 'there is no such export'))
        return Promise.resolve({ job: JOB, pieces: pieces() })
      },
      retry: (account, id) =>
        account === 1 && id === JOB.exportId
          ? Promise.reject(new Fault('conflict', 'only a failed export can be tried again; this one is done'))
          : Promise.reject(new Fault('not_found', 'there is no such export')),
      remove: (account, id) => Promise.resolve(account === 1 && id === JOB.exportId),
    },
    alerts: {
      list: (account) => Promise.resolve(account === 2 ? [] : [ALERT]),
      getThresholds: () => Promise.resolve(DEFAULT_ALERT_THRESHOLDS),
    },
    forwarding: {
      domains: hear('routes.domains', [{ account: 1, domain: 'in.example.com', createdAt: NOW }]),
      mails: hear('routes.mails', [MAIL_HEAD]),
      rawMail: (account, digest) =>
        Promise.resolve(account === 1 && digest === MAIL_HEAD.digest ? Buffer.from('From: x\r\n\r\n<script>') : null),
      isValidLink: ({ account }, signature) => account === 1 && signature === 'good',
      addDomain: hear('routes.add', true),
      removeDomain: hear('routes.remove', true),
    },
    unsubscribe: (call) => {
      heard.push({ name: 'unsubscribe', args: [call] })
      return Promise.resolve(call.token.startsWith('a') ? 'done' : 'missed')
    },
    ...over,
  }
  const web = await createHttpApp({
    telemetry: await createTelemetry({ level: 'silent', format: 'json' }),
    services: desk,
    credentialStore: {
      findAccount: (apiUser, apiKey) =>
        Promise.resolve(apiKey === `secret-of-${apiUser}` ? { account: apiUser === 'alice' ? 1 : 2, apiUser } : null),
      isOperator: (secret) => Promise.resolve(secret === 'secret-of-the-operator'),
    },
    findAccount: (apiUser) => Promise.resolve(apiUser === 'alice' ? 1 : null),
    isReady: () => Promise.resolve(true),
    limits: { bodyBytes: 100_000, requestsPerMinute: 1_000, recipientsPerRequest: 3, attemptsPerRequest: 3, emailStatusDays: 3 },
    trustProxy: false,
    ...parts,
  })
  const ask = ({ method = 'GET', url, body, auth = BASIC, headers = {} }: Ask): Promise<LightMyRequestResponse> =>
    web.inject({
      method,
      url,
      headers: { ...(auth === null ? {} : { authorization: auth }), ...headers },
      ...(body === undefined ? {} : { payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : { ...Object(body) } }),
    })
  return { web, desk, heard, ask }
}
