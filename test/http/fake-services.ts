/**
 * fake-services - the services of the HTTP routes as lambdas, one small fake per area, so that routes are tested without a store
 */
import { loadRules } from '../../src/config/rule-files.ts'
import { Fault } from '../../src/errors.ts'
import type { HttpServices } from '../../src/http/services/http-services.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../src/ledger/account-settings.ts'
import { DEFAULT_ALERT_THRESHOLDS } from '../../src/ledger/alert/alert-rules.ts'
import {
  ADVICE,
  ALERT,
  DKIM,
  ENDPOINT,
  ENTRY,
  FAILED,
  ITEM,
  JOB,
  LABEL,
  LANE,
  MAIL_HEAD,
  TLS_REPORT,
  NOW,
  ORDER,
  RECLASSIFICATION,
  RECORD,
  ROW,
} from './sample-rows.ts'

const resolve =
  <T>(value: T) =>
  (): Promise<T> =>
    Promise.resolve(value)

const notFound = (): Promise<never> => Promise.reject(new Fault('not_found', 'not found'))

const register: HttpServices['register'] = (_caller, { recipients }) =>
  Promise.resolve({
    messageId: 'm1x',
    recipients: recipients.map(({ recipient }, index) => ({
      recipient,
      emailId: `m1x${index}$${recipient ?? ''}`,
      returnPath: 'a'.repeat(30) + '@bounce.example.com',
      messageIdHeader: '<m1x@bounce.example.com>',
      feedbackId: 'b'.repeat(30),
      headers: { 'Feedback-ID': 'x' },
      status: 18,
      subStatus: null,
      content: null,
    })),
  })

const trackHtml: HttpServices['trackHtml'] = (_caller, { emailId, html, plain }) =>
  emailId === ROW.emailId ? Promise.resolve({ html, plain, switches: { open: true, click: true, unsubscribeFooter: false } }) : notFound()

const submit: HttpServices['submit'] = (_caller, { body, requestId, label, recipients }) => {
  if (body.from.endsWith('@victim.example')) return Promise.reject(new Fault('forbidden', 'not your domain'))
  if (requestId === 'spent') return Promise.reject(new Fault('quota_exceeded', 'quota used up'))
  if (label !== null && 'id' in label && label.id !== LABEL.labelId) return notFound()
  const submitted = recipients.map(({ recipient }, index) => ({
    recipient,
    emailId: `m1x${index}$${recipient}`,
    status: 18,
    subStatus: null,
  }))
  return Promise.resolve({ messageId: 'm1x', recipients: submitted })
}

const reportAttempts: HttpServices['reportAttempts'] = (_caller, attempts) =>
  Promise.resolve(
    attempts.map(({ emailId }) => ({
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

const WAITING: NonNullable<NonNullable<Awaited<ReturnType<HttpServices['messages']['find']>>>['waiting']> = {
  state: 'held',
  text: 'IP reputation holds its lane.',
  reason: 'IP reputation',
  key: 'ip|192.0.2.1|google',
  class: 'ip-reputation',
  nextSendingAt: 1_800_000_000_000,
  attempts: 2,
  refusedBy: ['192.0.2.1'],
  waiting: 3,
  evidence: [{ at: 1, mailId: ROW.deliveryId, code: 421, text: 'later' }],
}

const messages: HttpServices['messages'] = {
  find: (account, emailId) =>
    Promise.resolve(account === 1 && emailId === ROW.emailId ? { row: ROW, facts: [FAILED], waiting: WAITING } : null),
  list: resolve({ rows: [ROW], total: 1, next: null }),
  findUnbilled: resolve(new Set<string>()),
}

const suppressions: HttpServices['suppressions'] = {
  list: resolve({ rows: [ENTRY], next: null }),
  count: resolve(3),
  checkAddresses: (account, addresses) =>
    Promise.resolve(addresses.map((address) => (account === 1 && address === ENTRY.address ? [ENTRY] : []))),
  lookUp: resolve([{ row: ENTRY, emailId: ROW.emailId }]),
  findEntries: (_account, { list, text }) =>
    Promise.resolve(
      text === ENTRY.address && list === ENTRY.list
        ? {
            target: { addressHash: ENTRY.addressHash, address: ENTRY.address, domain: ENTRY.domain, isDomain: false },
            entries: [ENTRY],
            changes: [],
          }
        : null,
    ),
  remove: resolve(2),
  describeCauses: (_account, rows) => Promise.resolve(rows.map(() => '550 5.1.1 No such user')),
  addUnsubscribe: resolve({ ...ENTRY, list: 'unsubscribe', until: null }),
  reactivate: resolve([ENTRY]),
}

const blockAllow: HttpServices['blockAllow'] = {
  add: (_caller, { list }) => Promise.resolve([{ ...ENTRY, list }]),
  remove: resolve(1),
}

const inbox: HttpServices['inbox'] = {
  list: resolve({ rows: [ITEM], next: null }),
  find: (account, digest) =>
    Promise.resolve(account !== 2 && digest === ITEM.digest ? { row: ITEM, raw: Buffer.from('From: x\r\n\r\n<script>') } : null),
  resolve: resolve({ row: { ...ITEM, state: 'accepted' }, changed: true, problem: null, facts: [FAILED] }),
}

const listTlsReports: HttpServices['listTlsReports'] = resolve({ rows: [TLS_REPORT], next: null })

const accountSecrets: HttpServices['accountSecrets'] = {
  add: resolve({ account: 2, apiKey: 'k' }),
  rotate: resolve({ apiKey: 'k', oldUntil: 1 }),
}

const accounts: HttpServices['accounts'] = {
  getSettings: resolve(DEFAULT_ACCOUNT_SETTINGS),
  changeSettings: resolve({ ...DEFAULT_ACCOUNT_SETTINGS, version: 2 }),
  findProfile: resolve({
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
  listNames: resolve(new Map([[1, 'alice']])),
  list: resolve([{ account: 1, name: 'alice', apiUsers: ['alice'], zone: 'UTC', createdAt: NOW, closedAt: null }]),
}

const readBroadcastResults: HttpServices['readBroadcastResults'] = (account, broadcast) =>
  Promise.resolve(
    account === 1 && broadcast === 'spring'
      ? { counts: new Map([['failed', 1]]), rows: [ROW], next: null }
      : { counts: new Map(), rows: [], next: null },
  )

const eventFeed: HttpServices['eventFeed'] = {
  open: resolve({ next: resolve([]) }),
  findDeliveryNames: resolve(new Map()),
}

const reclassifications: HttpServices['reclassifications'] = {
  request: resolve({ ...RECLASSIFICATION, state: 'checking', samples: [] }),
  undo: resolve({ ...RECLASSIFICATION, state: 'checking', undoes: RECLASSIFICATION.jobId }),
  apply: (jobId, actor, consequences) =>
    jobId === RECLASSIFICATION.jobId
      ? Promise.resolve({ ...RECLASSIFICATION, ...consequences, state: 'applying', appliedBy: actor })
      : notFound(),
  cancel: resolve({ ...RECLASSIFICATION, state: 'cancelled' }),
  find: (jobId) => (jobId === RECLASSIFICATION.jobId ? Promise.resolve(RECLASSIFICATION) : notFound()),
  list: resolve([RECLASSIFICATION]),
}

const RULE_FILE = { file: 'own.toml', text: 'provider = "common"\n', version: '0123456789ab', modifiedAt: NOW }
const ruleFiles: HttpServices['ruleFiles'] = {
  check: () => ({
    table: 't1',
    problems: [],
    rules: [
      {
        id: 'r',
        file: 'own.toml',
        hits: [{ text: '550 no', decidedBy: 'r', matched: ['no'], isAsWanted: true }],
        misses: [],
        shadowedBy: [],
      },
    ],
    taken: [{ rule: 'other-rule', text: '550 none', takenBy: 'r' }],
  }),
  list: () => [RULE_FILE],
  find: () => RULE_FILE,
  versions: () => [{ version: '0123456789ab', at: NOW }],
  findVersion: () => RULE_FILE.text,
  save: resolve(RULE_FILE),
  remove: () => Promise.resolve(),
}

const accessBlocks: HttpServices['accessBlocks'] = {
  list: resolve([{ kind: 'peer', name: '192.0.2.1', reason: 'a flood', actor: 'operator', createdAt: NOW }]),
  add: resolve(true),
  remove: resolve(true),
}

const massBounceReviews: HttpServices['massBounceReviews'] = {
  list: resolve([{ site: 'google', held: true, at: NOW, pending: 2 }]),
  resolve: resolve({ site: 'google', changed: true, entries: 2 }),
}

const EVENT_SOURCE = {
  sourceId: '0'.repeat(32),
  esp: 'postmark',
  topics: [],
  createdAt: NOW,
  url: 'https://bounced.example/in/postmark',
} as const

const eventSources: HttpServices['eventSources'] = {
  list: resolve([EVENT_SOURCE]),
  add: ({ esp }) => Promise.resolve({ ...EVENT_SOURCE, esp, password: 'p' }),
  remove: resolve(undefined),
}

const dkim: HttpServices['dkim'] = {
  list: resolve([DKIM]),
  add: ({ isPublished }) => Promise.resolve({ ...DKIM, state: isPublished ? 'active' : 'waiting' }),
  rotate: resolve([DKIM]),
  activate: ({ isPublished, selector }) =>
    isPublished || selector === 'seen'
      ? Promise.resolve({ ...DKIM, state: 'active' })
      : Promise.reject(new Fault('conflict', 'the record is not visible')),
  remove: ({ domain }) => Promise.resolve(domain === DKIM.domain ? 1 : 0),
}

const TRACKING_DOMAIN = {
  state: 'verified',
  domain: 'go.shop.example',
  target: 't.example.com',
  linkBase: 'https://go.shop.example',
  verifiedAt: 1,
  failingSince: null,
  checkedAt: 1,
  problem: null,
} as const

const webhooks: HttpServices['webhooks'] = {
  list: resolve([ENDPOINT]),
  add: resolve({ endpoint: ENDPOINT, secret: 'whsec_x' }),
  change: resolve({ endpoint: ENDPOINT, secret: null }),
  remove: resolve(true),
  replay: resolve({ count: 3, next: null }),
  resend: resolve(true),
  records: resolve([RECORD]),
  record: (account, _endpointId, eventId) => Promise.resolve(account === 1 && eventId === RECORD.eventId ? RECORD : null),
  pending: resolve([]),
  publicKeyOf: ({ format }) => (format === 'sendgrid' ? 'AAAA' : null),
  health: resolve({
    since: 1,
    accepted: 3,
    refused: 1,
    medianMs: 20,
    p95Ms: 80,
    lastAcceptedAt: 5,
    lastRefusedAt: null,
    waiting: 2,
    failed: 0,
    oldestWaitingAt: 4,
  }),
  test: resolve({ status: 200, millis: 12, response: 'ok' }),
  isResponding: (url) => Promise.resolve(url.startsWith('https://good.example/')),
}

const statistics: HttpServices['statistics'] = {
  sumCounters: resolve([]),
  findEngagement: resolve({ rows: [], total: 0 }),
  findLabelNames: resolve(new Map([[LABEL.labelId, LABEL.name]])),
  findLabelIds: resolve([LABEL.labelId]),
}

const nameTaken = (): Promise<never> => Promise.reject(new Fault('conflict', 'the name is in use'))

const labels: HttpServices['labels'] = {
  list: resolve({ rows: [LABEL], total: 1 }),
  get: (account, labelId) => Promise.resolve(account === 1 && labelId === LABEL.labelId ? LABEL : null),
  add: (_caller, name) => (name === 'taken' ? nameTaken() : Promise.resolve({ ...LABEL, name })),
  rename: (_caller, labelId, name) =>
    name === 'taken' ? nameTaken() : Promise.resolve(labelId === LABEL.labelId ? { ...LABEL, name } : null),
  remove: (_caller, labelId) => Promise.resolve(labelId === LABEL.labelId),
}

const advice: HttpServices['advice'] = {
  list: ({ account }) => Promise.resolve({ version: 7, items: account === 2 ? [] : [{ account: 1, advice: ADVICE }] }),
  recover: ({ account, key }) => (account === 1 && key === ADVICE.key ? Promise.resolve() : notFound()),
}

const queue: HttpServices['queue'] = {
  deliveryStatus: resolve({ delivering: true, seenAt: NOW }),
  listLanes: resolve([LANE]),
  listThroughput: resolve([{ at: NOW - 5_000, ins: 3, tries: 2, outs: 1 }]),
  submitCommand: (request) => Promise.resolve({ ...ORDER, ...request }),
  findDeletion: (account, emailId) =>
    emailId === ROW.emailId ? Promise.resolve({ kind: 'delete', account, domain: null, message: ROW.deliveryId }) : notFound(),
  findCommand: (account, commandId) => Promise.resolve(commandId === ORDER.commandId && account < 2 ? ORDER : null),
}

async function* chunks(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a,b\r\n')
  yield* [Buffer.from('1,"2"\r\n')]
}

const exports: HttpServices['exports'] = {
  request: resolve(JOB),
  list: resolve([JOB]),
  find: (account, id) => Promise.resolve(account === 1 && id === JOB.exportId ? JOB : null),
  content: (account, id) => (account === 1 && id === JOB.exportId ? Promise.resolve({ job: JOB, chunks: chunks() }) : notFound()),
  retry: (account, id) =>
    account === 1 && id === JOB.exportId ? Promise.reject(new Fault('conflict', 'only a failed export can be retried')) : notFound(),
  remove: (account, id) => Promise.resolve(account === 1 && id === JOB.exportId),
}

const alerts: HttpServices['alerts'] = {
  list: (account) => Promise.resolve(account === 2 ? [] : [ALERT]),
  getThresholds: resolve(DEFAULT_ALERT_THRESHOLDS),
}

const forwarding: HttpServices['forwarding'] = {
  domains: resolve([{ account: 1, domain: 'in.example.com', createdAt: NOW }]),
  mails: resolve([MAIL_HEAD]),
  rawMail: (account, digest) =>
    Promise.resolve(account === 1 && digest === MAIL_HEAD.digest ? Buffer.from('From: x\r\n\r\n<script>') : null),
  isValidLink: ({ account }, signature) => account === 1 && signature === 'good',
  addDomain: resolve(true),
  removeDomain: resolve(true),
}

const rules = loadRules()

/** Every service, each as a fake. Account 1 is alice; nobody else has anything. */
const SESSION = { kind: 'user', name: 'ann', role: 'admin', idleEndsAt: NOW + 3_600_000, endsAt: NOW + 43_200_000 } as const

/** The id of the one session that the fake knows. */
export const SESSION_ID = 's'.repeat(43)

const sessions: HttpServices['sessions'] = {
  start: (_kind, name, secret) => Promise.resolve(secret === `secret-of-${name}` ? SESSION_ID : null),
  find: (id) => Promise.resolve(id === SESSION_ID ? SESSION : null),
  end: resolve(undefined),
  endAll: resolve(2),
}

const users: HttpServices['users'] = {
  list: resolve([{ name: 'ann', role: 'admin', createdAt: NOW, disabledAt: null, signedInAt: NOW, hasPassword: true, sessions: 1 }]),
  hasUsers: resolve(true),
  add: resolve(undefined),
  change: resolve(undefined),
  setPassword: resolve(undefined),
  createLink: resolve('t'.repeat(43)),
  findLink: resolve({ name: 'ann' }),
  redeemLink: resolve('ann'),
  signOutEverywhere: resolve(2),
  remove: resolve(undefined),
}

const overview: HttpServices['overview'] = {
  sumWindows: (_account, windows) =>
    Promise.resolve(
      windows.map(
        () =>
          new Map([
            ['request', 10],
            ['delivered', 7],
            ['invalid-406', 1],
          ]),
      ),
    ),
  sumGroups: resolve(new Map([['example.org', new Map([['request', 10]])]])),
  readStatus: resolve({ queued: 1, outbox: 2, inbox: 3, reportsLastHour: 4, disk: { freeBytes: 5, floorBytes: 6, isLow: true } }),
}

const messageReports: HttpServices['messageReports'] = {
  findRaw: (_account, emailId) => Promise.resolve(emailId === ROW.emailId ? Buffer.from('Subject: a\r\n\r\ntext') : null),
}

export const FAKE_SERVICES: HttpServices = {
  now: () => NOW,
  register,
  trackHtml,
  submit,
  reportAttempts,
  messages,
  messageReports,
  overview,
  suppressions,
  blockAllow,
  inbox,
  listTlsReports,
  accounts,
  readBroadcastResults,
  eventFeed,
  accessBlocks,
  massBounceReviews,
  eraseAddress: resolve({ addressHash: '00'.repeat(32), deliveries: 1, entries: 1, mails: 1 }),
  dkim,
  eventSources,
  recordLogRecords: resolve({
    lines: 1,
    ignored: 0,
    unreadable: 0,
    matched: 1,
    unmatched: 0,
    handedOver: 0,
    recorded: 1,
    known: 0,
    byResult: { sent: 0, deferred: 0, bounced: 1, expired: 0 },
  }),
  receiveEspEvents: resolve({ recorded: 1, repeated: 0, inbox: 0, unmatched: 0, unreadable: 0, ignored: 0 }),
  trackingDomains: { read: resolve(TRACKING_DOMAIN), check: resolve(TRACKING_DOMAIN) },
  webhooks,
  accountSecrets,
  listSettings: () => [{ path: 'host', variable: 'BOUNCED_HOST', text: '127.0.0.1', source: 'default', what: 'The host', why: 'Loopback' }],
  showShaping: () => ({
    site: 'google',
    options: [{ option: 'connections', value: '5', from: 'shaping.toml:3', note: null, sources: ['https://example.com/'] }],
    sites: ['google'],
  }),
  listReporters: resolve([{ name: 'Yahoo', from: ['a@example.com'], domains: ['example.com'], complaints: 3, lastComplaintAt: 1 }]),
  statistics,
  labels,
  queue,
  advice,
  exports,
  reclassifications,
  ruleFiles,
  countRuleDecisions: resolve({ since: NOW, verdicts: 10, other: 1, byRule: new Map([['r', 3]]) }),
  groupOtherReplies: resolve({
    read: 1,
    isComplete: true,
    groups: [
      { shape: 'no #', n: 1, lastAt: NOW, sites: ['google'], samples: [{ emailId: null, domain: 'example.com', at: NOW, text: 'no 1' }] },
    ],
  }),
  getOwnDomains: () => ['bounce.example.com'],
  alerts,
  trackingLinks: {
    open: resolve(undefined),
    click: ({ token }) => Promise.resolve(token.startsWith('a') ? 'https://shop.example/sale?a=1&b=2' : null),
  },
  engagement: { record: resolve(undefined) },
  forwarding,
  getRules: () => rules,
  unsubscribeLinks: {
    show: (token) =>
      Promise.resolve(
        token.startsWith('a') ? { sender: 'Example News', address: 'j***@example.com', look: { colour: '', logo: '' } } : null,
      ),
    unsubscribe: ({ token, how }) =>
      Promise.resolve(token.startsWith('a') ? { outcome: 'done', undo: how === 'page' ? 'a.1.0.mac' : null } : { outcome: 'missed' }),
    undo: (_token, permit) => Promise.resolve(permit === 'a.1.0.mac'),
  },
  sessions,
  users,
  readCommitStamp: resolve('1'),
  readGeneration: () => 0,
}
