/** match.test - the table of trust row by row, and the places where references are found */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashAddress, hashDomain, normaliseAddress, normaliseDomain } from '../../src/correlate/address-hash.ts'
import { bareMessageId, findReferences, type IdReference } from '../../src/correlate/references.ts'
import { dayNumberOf, formatDeliveryId } from '../../src/correlate/delivery-id.ts'
import { NO_SIGNATURE, type ReportSignature } from '../../src/correlate/report-signature.ts'
import { deriveTokenKey } from '../../src/correlate/token-keys.ts'
import { createManualMatch, matchReport, type ReportMatch } from '../../src/correlate/match.ts'
import { mintToken, type TokenPurpose } from '../../src/correlate/token.ts'
import { parseVerpAddress, verpAccountOf, type VerpTrust } from '../../src/correlate/verp.ts'
import type { ComplaintReport, RecipientReport, Report, ReportKind, OriginalMessage } from '../../src/mail/report.ts'

type MatchCandidate = Parameters<typeof createManualMatch>[0]

const MASTER = Buffer.alloc(32, 7)
const SENT = Date.UTC(2026, 5, 1, 9)
const DAY = 86_400_000
const RETURN_PATH = 'rp.example.net'
const FEEDBACK = 'fb.example.net'
const DOMAINS = { returnPath: [RETURN_PATH], feedback: [FEEDBACK] }
const TO = 'joe@example.com'

const idOf = (account: number, sequence = 1): string => formatDeliveryId({ day: dayNumberOf(SENT), account, sequence }) ?? ''
const token = (purpose: TokenPurpose, id = idOf(1), domain = purpose === 'return-path' ? RETURN_PATH : FEEDBACK, by = 1): string =>
  mintToken({ key: deriveTokenKey(MASTER, by, 0), keyIndex: 0, deliveryId: id, purpose, domain }) ?? ''

const RP = token('return-path')
const FB = token('feedback')
const UNSUB = token('unsubscribe')
const FORGED = token('return-path', idOf(1), RETURN_PATH, 2)

const ROW: MatchCandidate = { account: 1, deliveryId: idOf(1), addressHash: hashAddress(TO), registered: true }

const RETURNED: OriginalMessage = { headers: {}, messageId: null, returnPath: null, from: null, to: [], subject: null, sentAt: null }
const GROUP: RecipientReport = {
  recipient: TO,
  originalRecipient: null,
  action: 'failed',
  status: null,
  reply: { code: null, status: null, text: '' },
  replySource: 'none',
  remoteMta: null,
  text: '',
  lastAttemptAt: null,
  willRetryUntil: null,
}
const COMPLAINT: ComplaintReport = {
  format: 'arf',
  feedbackType: 'abuse',
  userAgent: null,
  version: null,
  originalMailFrom: null,
  originalRcptTo: [TO],
  arrivalAt: null,
  sourceIp: null,
  incidents: 1,
  reportedDomains: [],
  fields: {},
}

function reportOf(kind: ReportKind, over: Partial<Report> = {}): Report {
  const base = { kind, format: 'test', recipients: kind === 'bounce' ? [GROUP] : [], complaint: kind === 'complaint' ? COMPLAINT : null }
  const empty = {
    tlsReport: null,
    originalMessage: null,
    isForwarded: false,
    envelopeId: null,
    queueId: null,
    reportingMta: null,
    headers: {},
    from: null,
    to: [],
    subject: null,
    messageId: null,
    sentAt: null,
  }
  return { ...base, ...empty, text: '', defects: [], ...over }
}

const SIGNED: ReportSignature = { state: 'good', domain: 'fbl.listed.example', reporter: 'Loop' }
const STRANGER: ReportSignature = { state: 'good', domain: 'stranger.example', reporter: null }
const FAILED: ReportSignature = { state: 'failed' }

type Given = {
  readonly rcpt?: string
  readonly auth?: ReportSignature
  readonly trust?: 'strict' | 'any'
  readonly complaintProof?: 'token' | 'signature' | 'both'
  readonly verpTrust?: VerpTrust
  readonly at?: number
  readonly isVouchedFor?: boolean
  readonly retainedFrom?: number
  readonly rows?: readonly MatchCandidate[]
  readonly retired?: readonly MatchCandidate[]
  readonly named?: (reference: IdReference) => readonly MatchCandidate[]
  /** The deliveries to the recipient that a VERP address names. */
  readonly recent?: readonly MatchCandidate[]
}

/** Two accounts have one VERP address each. */
const VERP_ADDRESSES = [
  ['bounces', 1],
  ['news', 2],
].flatMap(([local, account]) => parseVerpAddress(Number(account), `${local}@${RETURN_PATH}`) ?? [])

function match(report: Report, given: Given = {}): ReportMatch<MatchCandidate> {
  const {
    rcpt = `bounces@${RETURN_PATH}`,
    auth = NO_SIGNATURE,
    trust = 'strict',
    complaintProof = 'token',
    verpTrust = 'none',
    at = SENT + DAY,
    isVouchedFor = false,
    rows = [ROW],
    retainedFrom = 0,
  } = given
  const references = findReferences({
    report,
    rcpt,
    domains: DOMAINS,
    keyFor: (account, index) => deriveTokenKey(MASTER, account, index),
    verpAddresses: VERP_ADDRESSES,
  })
  return matchReport<MatchCandidate>({
    report,
    references,
    candidates: {
      byId: (id) => rows.find((row) => row.deliveryId === id) ?? null,
      retired: (id) => given.retired?.find((row) => row.deliveryId === id) ?? null,
      byReference: given.named ?? (() => []),
      byVerp: (verp) => (given.recent ?? []).filter((row) => row.account === verp.account && row.addressHash === verp.addressHash),
    },
    signature: auth,
    accountOf: (number) => (number === 9 ? { account: 1, offline: true } : number <= 2 ? { account: number, offline: false } : null),
    addressee: verpAccountOf(rcpt, VERP_ADDRESSES),
    policyOf: () => ({ trust, complaintProof, verpTrust }),
    at,
    retainedFrom,
    isVouchedFor,
  })
}

const toUs = { rcpt: `${RP}@${RETURN_PATH}` }
const toFeedback = { rcpt: `fbl@${FEEDBACK}` }
const cfbl = { originalMessage: { ...RETURNED, headers: { 'cfbl-feedback-id': FB } } }
const path = { originalMessage: { ...RETURNED, returnPath: `<${RP}@${RETURN_PATH}>` } }
const srs = { originalMessage: { ...RETURNED, returnPath: `SRS0=ab12=XY=${RETURN_PATH}=${RP.toUpperCase()}@relay.example.org` } }
const named = { originalMessage: { ...RETURNED, messageId: '<m1@example.org>', to: [TO] } }
const OTHER = idOf(1, 2)
const otherPath = { originalMessage: { ...RETURNED, returnPath: `<${token('return-path', OTHER)}@${RETURN_PATH}>` } }
const otherCfbl = { originalMessage: { ...RETURNED, headers: { 'cfbl-feedback-id': token('feedback', OTHER) } } }
const forgedPath = { originalMessage: { ...RETURNED, returnPath: `<${FORGED}@${RETURN_PATH}>` } }
const oneDelivery: Given['named'] = ({ value }) => (value === 'm1@example.org' ? [ROW] : [])
const LATE: Given = { rows: [], retired: [ROW], retainedFrom: SENT + DAY }
const twoDeliveries: Given['named'] = () => [ROW, { ...ROW, deliveryId: idOf(1, 2) }]

const trust: readonly (readonly [string, Report, Given, string | null, string | null])[] = [
  // report                                           report, given                                                     problem       proof
  ['NDR, token in RCPT TO', reportOf('bounce'), toUs, null, 'token'],
  ['NDR, token in upper case', reportOf('bounce'), { rcpt: `${RP.toUpperCase()}@${RETURN_PATH.toUpperCase()}` }, null, 'token'],
  ['NDR that a person forwards, token', reportOf('bounce', { isForwarded: true }), toUs, 'unverified', null],
  ['NDR that a person forwards, returned token', reportOf('bounce', { ...path, isForwarded: true }), { auth: SIGNED }, 'unverified', null],
  ['NDR that a person forwards, listed DKIM', reportOf('bounce', { ...cfbl, isForwarded: true }), { auth: SIGNED }, 'unverified', null],
  ['NDR, BATV around RCPT TO', reportOf('bounce'), { rcpt: `prvs=3456789abc=${RP}@${RETURN_PATH}` }, null, 'token'],
  ['NDR, token in the returned Return-Path', reportOf('bounce', path), {}, null, 'token'],
  ['NDR, token in a rewritten Return-Path', reportOf('bounce', srs), {}, null, 'token'],
  ['NDR, token, signed by a listed reporter', reportOf('bounce'), { ...toUs, auth: SIGNED }, null, 'signed'],
  ['NDR, feedback id only', reportOf('bounce', cfbl), {}, 'unverified', null],
  ['NDR, feedback id only, a reporter', reportOf('bounce', cfbl), { auth: SIGNED }, null, 'signed'],
  ['NDR, feedback id only, DKIM of a stranger', reportOf('bounce', cfbl), { auth: STRANGER }, 'unverified', null],
  [
    'NDR, token in the envelope id only, a reporter',
    reportOf('bounce', { envelopeId: `${RP}@${RETURN_PATH}` }),
    { auth: SIGNED },
    'unverified',
    null,
  ],
  ['NDR, token, a failing signature of a reporter', reportOf('bounce'), { ...toUs, auth: FAILED }, 'signature-failed', null],
  ['NDR, RCPT TO and Return-Path name two mails', reportOf('bounce', otherPath), toUs, 'contradictory', null],
  ['NDR, RCPT TO and feedback id name two mails', reportOf('bounce', otherCfbl), toUs, 'contradictory', null],
  ['accepted by an operator: contradictory stays', reportOf('bounce', otherPath), { ...toUs, isVouchedFor: true }, 'contradictory', null],
  ['NDR, forged token', reportOf('bounce'), { rcpt: `${FORGED}@${RETURN_PATH}` }, 'unverified', null],
  [
    'NDR, forged token, a reporter, same recipient',
    reportOf('bounce'),
    { rcpt: `${FORGED}@${RETURN_PATH}`, auth: SIGNED },
    'unverified',
    null,
  ],
  ['NDR, truncated token', reportOf('bounce'), { rcpt: `${RP.slice(0, 20)}@${RETURN_PATH}` }, 'unverified', null],
  ['NDR, token with another purpose', reportOf('bounce'), { rcpt: `${FB}@${RETURN_PATH}` }, 'unverified', null],
  ['NDR, token, after 30 days', reportOf('bounce'), { ...toUs, at: SENT + 32 * DAY }, 'expired', null],
  ['NDR, token, delivery unknown', reportOf('bounce'), { ...toUs, rows: [] }, 'unregistered', null],
  ['NDR, token, delivery retired', reportOf('bounce'), { ...toUs, rows: [], retainedFrom: SENT + DAY }, 'expired', null],
  ['NDR, token, delivery of a retired period that still exists', reportOf('bounce'), { ...toUs, retainedFrom: SENT + DAY }, null, 'token'],
  [
    'accepted by an operator: delivery retired',
    reportOf('bounce'),
    { ...toUs, rows: [], retainedFrom: SENT + DAY, isVouchedFor: true },
    'expired',
    null,
  ],
  ['ARF, token, delivery retired', reportOf('complaint', path), { auth: SIGNED, rows: [], retainedFrom: SENT + DAY }, 'expired', null],
  ['ARF, token, delivery retired, its remainder kept', reportOf('complaint', path), { ...LATE, auth: SIGNED }, null, 'signed'],
  ['ARF, the same, unsigned', reportOf('complaint', path), LATE, null, 'token'],
  ['ARF, the same, accepted by an operator', reportOf('complaint', path), { ...LATE, isVouchedFor: true }, null, 'token'],
  ['ARF, the same, after 400 days', reportOf('complaint', path), { ...LATE, auth: SIGNED, at: SENT + 402 * DAY }, 'expired', null],
  [
    'ARF, retired delivery of another account',
    reportOf('complaint', path),
    { ...LATE, auth: SIGNED, retired: [{ ...ROW, account: 2 }] },
    'expired',
    null,
  ],
  ['NDR, token, delivery retired, its remainder kept', reportOf('bounce'), { ...toUs, ...LATE }, 'expired', null],
  ['NDR, Message-ID only', reportOf('bounce', named), { named: oneDelivery }, 'unverified', null],
  ['NDR, Message-ID, listed DKIM, same recipient', reportOf('bounce', named), { named: oneDelivery, auth: SIGNED }, null, 'signed'],
  ['NDR, Message-ID, DKIM of a stranger', reportOf('bounce', named), { named: oneDelivery, auth: STRANGER }, 'unverified', null],
  [
    'NDR, Message-ID, listed DKIM, another recipient than the returned To',
    reportOf('bounce', { ...named, recipients: [{ ...GROUP, recipient: 'ann@example.com' }] }),
    { named: oneDelivery, auth: SIGNED },
    'unverified',
    null,
  ],
  ['NDR, Message-ID of several mails', reportOf('bounce', named), { named: twoDeliveries, auth: SIGNED }, 'ambiguous', null],
  [
    'NDR, Message-ID in References, a reporter',
    reportOf('bounce', { headers: { references: '<m1@example.org>' } }),
    { named: oneDelivery, auth: SIGNED },
    'unverified',
    null,
  ],
  [
    'delay, Message-ID, a reporter',
    reportOf('delay', { ...named, recipients: [GROUP] }),
    { named: oneDelivery, auth: SIGNED },
    null,
    'signed',
  ],
  ['NDR, nothing', reportOf('bounce'), {}, 'unmatched', null],
  ['ARF, token alone', reportOf('complaint', path), toFeedback, null, 'token'],
  ['ARF, token, a reporter', reportOf('complaint', path), { ...toFeedback, auth: SIGNED }, null, 'signed'],
  ['ARF, token, DKIM of a stranger', reportOf('complaint', path), { ...toFeedback, auth: STRANGER }, null, 'token'],
  ['ARF, token, a failing signature of a reporter', reportOf('complaint', path), { ...toFeedback, auth: FAILED }, 'signature-failed', null],
  ['ARF, token in RCPT TO only', reportOf('complaint'), { rcpt: `${FB}@${FEEDBACK}` }, 'unverified', null],
  ['ARF, token in RCPT TO only, a reporter', reportOf('complaint'), { rcpt: `${FB}@${FEEDBACK}`, auth: SIGNED }, 'unverified', null],
  ['ARF, token in RCPT TO only, trust any', reportOf('complaint'), { rcpt: `${FB}@${FEEDBACK}`, trust: 'any' }, null, 'token'],
  [
    'ARF about one mail to the address of another',
    reportOf('complaint', otherPath),
    { rcpt: `${FB}@${FEEDBACK}`, auth: SIGNED },
    'contradictory',
    null,
  ],
  ['ARF, forged token', reportOf('complaint', forgedPath), toFeedback, 'unverified', null],
  ['ARF, forged token, a reporter', reportOf('complaint', forgedPath), { ...toFeedback, auth: SIGNED }, 'unverified', null],
  ['ARF, token, proof signature', reportOf('complaint', path), { ...toFeedback, complaintProof: 'signature' }, 'unverified', null],
  ['ARF, token, a reporter, proof signature', reportOf('complaint', path), { auth: SIGNED, complaintProof: 'signature' }, null, 'signed'],
  ['ARF, token, proof both', reportOf('complaint', path), { ...toFeedback, complaintProof: 'both' }, 'unverified', null],
  ['ARF, token, a reporter, proof both', reportOf('complaint', path), { auth: SIGNED, complaintProof: 'both' }, null, 'signed'],
  [
    'CFBL, DKIM of a stranger, proof signature',
    reportOf('complaint', cfbl),
    { auth: STRANGER, complaintProof: 'signature' },
    null,
    'signed',
  ],
  ['CFBL, DKIM of a stranger, proof both', reportOf('complaint', cfbl), { auth: STRANGER, complaintProof: 'both' }, 'unverified', null],
  [
    'ARF, token in Original-Mail-From',
    reportOf('complaint', { complaint: { ...COMPLAINT, originalMailFrom: `${RP}@${RETURN_PATH}` } }),
    {},
    null,
    'token',
  ],
  [
    'ARF, token in Original-Mail-From, a reporter, after 399 days',
    reportOf('complaint', { complaint: { ...COMPLAINT, originalMailFrom: `${RP}@${RETURN_PATH}` } }),
    { auth: SIGNED, at: SENT + 399 * DAY },
    null,
    'signed',
  ],
  [
    'ARF, token in List-Unsubscribe',
    reportOf('complaint', {
      originalMessage: {
        ...RETURNED,
        headers: { 'list-unsubscribe': `<mailto:${UNSUB}@${FEEDBACK}?subject=unsubscribe>, <https://b.example/u/${UNSUB}>` },
      },
    }),
    { auth: SIGNED },
    null,
    'signed',
  ],
  ['CFBL, DKIM of a stranger', reportOf('complaint', cfbl), { ...toFeedback, auth: STRANGER }, null, 'signed'],
  [
    'CFBL, id in the report',
    reportOf('complaint', { complaint: { ...COMPLAINT, fields: { 'cfbl-feedback-id': FB } } }),
    { auth: STRANGER },
    null,
    'signed',
  ],
  ['CFBL, unsigned', reportOf('complaint', cfbl), toFeedback, null, 'token'],
  [
    'CFBL, id in the report, unsigned',
    reportOf('complaint', { complaint: { ...COMPLAINT, fields: { 'cfbl-feedback-id': FB } } }),
    toFeedback,
    'unverified',
    null,
  ],
  [
    'CFBL, id in the own header of the report',
    reportOf('complaint', { headers: { 'cfbl-feedback-id': FB } }),
    { auth: STRANGER },
    'unmatched',
    null,
  ],
  ['ARF, token alone, trust any', reportOf('complaint', path), { ...toFeedback, trust: 'any' }, null, 'token'],
  ['CFBL id alone, trust any', reportOf('complaint', cfbl), { ...toFeedback, trust: 'any' }, null, 'token'],
  [
    'ARF, Message-ID alone, trust any',
    reportOf('complaint', named),
    { ...toFeedback, trust: 'any', named: oneDelivery },
    'unverified',
    null,
  ],
  ['ARF, Message-ID, a reporter', reportOf('complaint', named), { ...toFeedback, auth: SIGNED, named: oneDelivery }, 'unverified', null],
  ['ARF, token, listed DKIM, after 100 days', reportOf('complaint', path), { auth: SIGNED, at: SENT + 100 * DAY }, null, 'signed'],
  ['ARF, token, listed DKIM, after 402 days', reportOf('complaint', path), { auth: SIGNED, at: SENT + 402 * DAY }, 'expired', null],
  ['ARF as text, token', reportOf('complaint', { ...path, isForwarded: true }), toFeedback, 'unverified', null],
  ['ARF as text, token, a reporter', reportOf('complaint', { ...path, isForwarded: true }), { auth: SIGNED }, 'unverified', null],
  ['ARF as text, token, trust any', reportOf('complaint', { ...path, isForwarded: true }), { ...toFeedback, trust: 'any' }, null, 'token'],
  ['not-spam as text, a reporter', reportOf('not-spam', { ...path, isForwarded: true }), { auth: SIGNED }, 'unverified', null],
  ['not-spam, token alone', reportOf('not-spam', path), toFeedback, 'unverified', null],
  ['not-spam, token alone, trust any', reportOf('not-spam', path), { ...toFeedback, trust: 'any' }, 'unverified', null],
  ['not-spam, a reporter', reportOf('not-spam', path), { auth: SIGNED }, null, 'signed'],
  ['not-spam, Message-ID, a reporter', reportOf('not-spam', named), { auth: SIGNED, named: oneDelivery }, 'unverified', null],
  ['not-spam by CFBL', reportOf('not-spam', cfbl), { auth: STRANGER }, null, 'signed'],
  ['not-spam, DKIM of a stranger', reportOf('not-spam', path), { auth: STRANGER }, 'unverified', null],
  ['unsubscribe, its token', reportOf('unsubscribe'), { rcpt: `${UNSUB}@${FEEDBACK}` }, null, 'token'],
  ['unsubscribe, a feedback token', reportOf('unsubscribe'), { rcpt: `${FB}@${FEEDBACK}` }, 'unverified', null],
  ['auto-reply to the Return-Path', reportOf('auto-reply'), toUs, null, 'token'],
  ['accepted by an operator: Message-ID', reportOf('complaint', named), { named: oneDelivery, isVouchedFor: true }, null, 'operator'],
  [
    'accepted by an operator: unsigned token',
    reportOf('complaint', path),
    { isVouchedFor: true, complaintProof: 'both' },
    null,
    'operator',
  ],
  ['accepted by an operator: a failing signature', reportOf('complaint', path), { isVouchedFor: true, auth: FAILED }, null, 'token'],
  ['accepted by an operator: NDR with token', reportOf('bounce'), { ...toUs, isVouchedFor: true }, null, 'token'],
  ['accepted by an operator: expired', reportOf('bounce'), { ...toUs, isVouchedFor: true, at: SENT + 99 * DAY }, null, 'token'],
  ['accepted by an operator: ambiguous stays', reportOf('bounce', named), { named: twoDeliveries, isVouchedFor: true }, 'ambiguous', null],
]

test.each(trust)('%s', (_, report, given, problem, proof) => {
  expect(match(report, given)).toMatchObject({ problem, proof })
})

const toVerp = { rcpt: `bounces+joe=example.com@${RETURN_PATH}`, recent: [ROW] }
const statusOnly = { ...toVerp, verpTrust: 'status' } as const
const AGAIN = { ...ROW, deliveryId: idOf(1, 2) }
const verpPath = { originalMessage: { ...RETURNED, returnPath: '<bounces-joe=example.com@rp.example.net>', messageId: '<m2@example.org>' } }
const secondMail: Given['named'] = ({ value }) => (value === 'm2@example.org' ? [AGAIN] : [])

const verp: readonly (readonly [string, Report, Given, Partial<ReportMatch<MatchCandidate>>])[] = [
  ['NDR, not trusted', reportOf('bounce'), toVerp, { problem: 'unverified', proof: null, deliveryId: idOf(1), via: 'verp' }],
  ['NDR, trusted for a status', reportOf('bounce'), statusOnly, { problem: null, proof: 'verp', weak: true, account: 1 }],
  ['NDR, trusted for the list', reportOf('bounce'), { ...toVerp, verpTrust: 'list' }, { problem: null, proof: 'verp', weak: false }],
  ['NDR, a forwarded report', reportOf('bounce', { isForwarded: true }), statusOnly, { problem: 'unverified' }],
  ['NDR, a signature that fails', reportOf('bounce'), { ...statusOnly, auth: FAILED }, { problem: 'signature-failed' }],
  ['NDR, a reporter, not trusted', reportOf('bounce'), { ...toVerp, auth: SIGNED }, { problem: 'unverified' }],
  ['complaint', reportOf('complaint'), { ...toVerp, verpTrust: 'list' }, { problem: 'unverified', proof: null }],
  ['unsubscribe', reportOf('unsubscribe'), { ...toVerp, verpTrust: 'list' }, { problem: 'unverified', proof: null }],
  ['no mail to the recipient', reportOf('bounce'), { ...statusOnly, recent: [] }, { problem: 'unmatched', account: 1 }],
  [
    'two mails to the recipient',
    reportOf('bounce'),
    { ...statusOnly, recent: [ROW, AGAIN] },
    { problem: 'ambiguous', account: 1, deliveryId: null },
  ],
  [
    'two, and the returned Message-ID',
    reportOf('bounce', verpPath),
    { ...statusOnly, recent: [ROW, AGAIN], named: secondMail },
    { problem: null, deliveryId: AGAIN.deliveryId },
  ],
  [
    'the Message-ID of a mail to another',
    reportOf('bounce', verpPath),
    { ...statusOnly, named: () => [{ ...AGAIN, addressHash: hashAddress('eve@example.com') }] },
    { problem: null, deliveryId: idOf(1) },
  ],
  [
    'the Message-ID of another account',
    reportOf('bounce', verpPath),
    { ...statusOnly, named: () => [{ ...AGAIN, account: 2 }] },
    { problem: null, deliveryId: idOf(1), account: 1 },
  ],
  [
    'the address of another account',
    reportOf('bounce'),
    { ...statusOnly, rcpt: `news+joe=example.com@${RETURN_PATH}` },
    { problem: 'unmatched' },
  ],
  ['an address of nobody', reportOf('bounce'), { ...statusOnly, rcpt: `other+joe=example.com@${RETURN_PATH}` }, { problem: 'unmatched' }],
  ['another domain', reportOf('bounce'), { ...statusOnly, rcpt: `bounces+joe=example.com@${FEEDBACK}` }, { problem: 'unmatched' }],
  [
    'a valid token of another mail comes first',
    reportOf('bounce', otherPath),
    { ...statusOnly, rows: [{ ...ROW, deliveryId: OTHER }] },
    { proof: 'token', deliveryId: OTHER },
  ],
  ['expired', reportOf('bounce'), { ...statusOnly, at: SENT + 40 * DAY }, { problem: 'expired', proof: null }],
  ['accepted by an operator', reportOf('bounce'), { ...toVerp, isVouchedFor: true }, { problem: null, proof: 'operator' }],
]

test.each(verp)('VERP: %s', (_, report, given, want) => {
  expect(match(report, given)).toMatchObject(want)
})

test('VERP that is not trusted leaves a reporter’s signature over the same mail what it is', () => {
  const signed = { ...toVerp, auth: SIGNED, named: oneDelivery }
  expect(match(reportOf('bounce', named), signed)).toMatchObject({ problem: null, proof: 'signed', weak: true, via: 'message-id' })
})

test('an unverified match names its delivery, an unmatched one names none', () => {
  expect(match(reportOf('complaint', path), { complaintProof: 'both' })).toMatchObject({
    account: 1,
    deliveryId: idOf(1),
    via: 'return-path',
  })
  expect(match(reportOf('bounce'), { rcpt: `postmaster@${RETURN_PATH}` })).toMatchObject({ account: 0, deliveryId: null, via: null })
})

test('only an account that mints offline has stubs', () => {
  const offline = idOf(9)
  const rcpt = `${token('return-path', offline, RETURN_PATH, 9)}@${RETURN_PATH}`
  expect(match(reportOf('bounce'), { rcpt })).toMatchObject({ account: 1, deliveryId: offline, delivery: null, stub: true, problem: null })
  const known = { ...ROW, deliveryId: offline }
  expect(match(reportOf('bounce'), { rcpt, rows: [known] })).toMatchObject({ delivery: known, stub: false })
  expect(match(reportOf('bounce'), { rcpt, rows: [{ ...known, registered: false }] })).toMatchObject({ stub: true, problem: null })
  expect(match(reportOf('bounce'), { rcpt, retainedFrom: SENT + DAY })).toMatchObject({ problem: 'expired' })
  const foreign = `${token('return-path', idOf(3), RETURN_PATH, 3)}@${RETURN_PATH}`
  expect(match(reportOf('bounce'), { rcpt: foreign })).toMatchObject({ problem: 'unmatched', account: 0 })
})

test('the number of one account never leads to a delivery of another', () => {
  expect(match(reportOf('bounce'), { ...toUs, rows: [{ ...ROW, account: 2 }] })).toMatchObject({ problem: 'unmatched' })
  const both: Given['named'] = () => [ROW, { ...ROW, account: 2 }]
  expect(match(reportOf('bounce', named), { named: both, auth: SIGNED })).toMatchObject({ problem: 'ambiguous', account: 0 })
})

test('a status that rests on a Message-ID feeds no list, and one on a token does', () => {
  expect(match(reportOf('bounce', named), { named: oneDelivery, auth: SIGNED })).toMatchObject({ weak: true, proof: 'signed' })
  expect(match(reportOf('bounce', path))).toMatchObject({ weak: false, proof: 'token' })
})

test('a mail that was linked by hand is proven by the operator', () => {
  expect(createManualMatch(ROW)).toMatchObject({ proof: 'operator', problem: null, via: 'hand', stub: false })
})

test('ids are found where mail systems preserve them', () => {
  const report = reportOf('auto-reply', {
    envelopeId: '1425_a0$joe@example.com',
    headers: { 'in-reply-to': '<a@example.org>', references: '<b@example.org> <a@example.org>' },
    originalMessage: { ...RETURNED, messageId: 'c@example.org' },
  })
  const references = findReferences({ report, rcpt: 'x@elsewhere.example', domains: DOMAINS, keyFor: () => null, verpAddresses: [] })
  expect(references).toEqual([
    { via: 'message-id', value: 'c@example.org' },
    { via: 'in-reply-to', value: 'a@example.org' },
    { via: 'in-reply-to', value: 'b@example.org' },
  ])
  expect(bareMessageId(' <x@y> ')).toBe('x@y')
})

const OURS = token('message-id', idOf(1), 'news.example.com')
const returnedId = (messageId: string): Partial<Report> => ({ originalMessage: { ...RETURNED, messageId, to: [TO] } })
const idReferences = (report: Report) =>
  findReferences({
    report,
    rcpt: `fbl@${FEEDBACK}`,
    domains: DOMAINS,
    keyFor: (account, index) => deriveTokenKey(MASTER, account, index),
    verpAddresses: [],
  })

const messageIds = [
  // the returned Message-ID                                     what it is
  [`<${OURS}@news.example.com>`, 'token'],
  [`<${OURS.toUpperCase()}@NEWS.Example.COM>`, 'token'],
  [`<${OURS}@other.example.com>`, 'id'],
  [`<${token('feedback', idOf(1), 'news.example.com')}@news.example.com>`, 'id'],
  [`<${token('message-id', idOf(1), 'news.example.com', 2)}@news.example.com>`, 'id'],
  [`<${OURS.slice(0, 29)}@news.example.com>`, 'id'],
  [`<${idOf(1)}@news.example.com>`, 'id'],
  [`<x-${OURS}@news.example.com>`, 'id'],
  [`<${OURS}>`, 'id'],
  ['<chosen-by-a-client@news.example.com>', 'id'],
] as const

test.each(messageIds)('the returned Message-ID %s is a %s', (messageId, kind) => {
  const references = idReferences(reportOf('complaint', returnedId(messageId)))
  expect(references[0]).toMatchObject(
    kind === 'token' ? { via: 'message-id', token: { deliveryId: idOf(1), state: 'valid' } } : { value: bareMessageId(messageId) },
  )
  expect(references.some((each) => 'token' in each)).toBe(kind === 'token')
})

test('a Message-ID of ours is evidence in the header of the returned message only', () => {
  const thread = reportOf('auto-reply', { headers: { 'in-reply-to': `<${OURS}@news.example.com>` } })
  expect(idReferences(thread)).toEqual([{ via: 'in-reply-to', value: `${OURS}@news.example.com` }])
  expect(match(reportOf('complaint', returnedId(`<${OURS}@news.example.com>`)), { ...toFeedback, auth: SIGNED })).toMatchObject({
    proof: 'signed',
    deliveryId: idOf(1),
    via: 'message-id',
  })
  expect(match(reportOf('bounce', returnedId(`<${OURS}@news.example.com>`)), { auth: NO_SIGNATURE })).toMatchObject({
    proof: null,
    problem: 'unverified',
  })
})

test('twenty guesses in one mail cost a few look-ups and find nothing', () => {
  const guesses = Array.from({ length: 20 }, (_, n) => `<${token('message-id', idOf(1, n), 'news.example.com', 2)}@news.example.com>`)
  const report = reportOf('bounce', { headers: { references: guesses.join(' ') }, ...returnedId(guesses[0] ?? '') })
  const looked: string[] = []
  const found = match(report, { auth: SIGNED, named: ({ value }) => (looked.push(value), []) })
  expect(found).toMatchObject({ account: 1, problem: 'unmatched', proof: null })
  expect(looked.length).toBeLessThanOrEqual(4)
})

test('any report gives references and a match', () => {
  const text = fc.string({ maxLength: 300, unit: 'binary' })
  fc.assert(
    fc.property(text, text, text, text, (rcpt, returnPath, id, other) => {
      const headers = { 'cfbl-feedback-id': id, 'list-unsubscribe': other, 'message-id': other }
      const report = reportOf('complaint', { envelopeId: other, originalMessage: { ...RETURNED, returnPath, messageId: id, headers } })
      const found = match(report, { rcpt, auth: SIGNED })
      expect(found.proof).toBeNull()
    }),
  )
})

const addresses = [
  // written                          known as
  ['Joe@Example.COM', 'joe@example.com'],
  ['<joe@example.com.>', 'joe@example.com'],
  ['joe@bücher.example', 'joe@xn--bcher-kva.example'],
  ['JOE@XN--BCHER-KVA.example', 'joe@xn--bcher-kva.example'],
  ['nobody', null],
  ['', null],
  ['@example.com', null],
] as const

test.each(addresses)('%s is %s', (written, normalised) => {
  expect(normaliseAddress(written)?.address ?? null).toBe(normalised)
  expect(hashAddress(written)).toBe(normalised === null ? null : hashAddress(normalised))
})

test('domains are normalised, and their hashes differ from those of addresses', () => {
  expect([normaliseDomain('Bücher.Example.'), normaliseDomain(' example.com '), normaliseDomain('')]).toEqual([
    'xn--bcher-kva.example',
    'example.com',
    null,
  ])
  expect(hashDomain('example.com')).not.toBe(hashAddress('a@example.com'))
})
