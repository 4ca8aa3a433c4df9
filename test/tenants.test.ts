/**
 * tenants.test - an account cannot read or change the data of another
 *
 * Ann attacks Bob by API, token, bounce, complaint, replay and inbox. Afterwards Bob's deliveries, list entries, counters, webhooks, labels,
 * settings, credentials and inbox are unchanged, and so is the list that accounts share. Reports that she forges about his mails may be in his
 * inbox as unverified.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAccountWithApiUser } from '../src/daemon/accounts.ts'
import { hashAddress } from '../src/correlate/address-hash.ts'
import { deriveTokenKey } from '../src/correlate/token-keys.ts'
import { mintToken, type TokenPurpose } from '../src/correlate/token.ts'
import { NO_AUTHENTICATION_RESULTS, type AuthenticationResults } from '../src/mail-auth/verify-signatures.ts'
import { listAccountsForOperator, saveAccountSettings } from '../src/store/account/accounts.ts'
import { listEndpointsOfAccounts, saveEndpoint } from '../src/store/webhook/endpoints.ts'
import type { Engine } from '../src/store/engine/engine.ts'
import { listRowsForOperator } from '../src/store/facts/rebuild.ts'
import { DELIVERIES } from '../src/store/mail/delivery-columns.ts'
import { COUNTERS, INBOX, SUPPRESSIONS } from '../src/store/schema.ts'
import { OUTBOX } from '../src/store/webhook/outbox.ts'
import type { HttpServer } from '../src/http/server/http-server.ts'
import { createReceiver, type Receiver } from '../src/service/receive/receive.ts'
import { rebuild } from '../src/service/admin/rebuild.ts'
import type { Context } from '../src/service/context.ts'
import { makeHttpApp } from './support/services.ts'
import { engines } from './support/engines.ts'
import { arf, makeIncomingMail, ndr } from './support/reports.ts'
import { makeContext, MASTER } from './support/context.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const [ANN, BOB] = [1, 2]
const TARGET = 'victim@example.org'

type Mail = {
  readonly emailId: string
  readonly token: string
  readonly feedbackId: string
  readonly unsubscribe: string
  readonly messageId: string
  readonly deliveryId: string
}
type ApiResponse = { readonly status: number; readonly body: string }

describe.each(engines)('$kind', ({ open }) => {
  let engine: Engine
  let context: Context
  let web: HttpServer
  let receiver: Receiver
  const authentication: { now: AuthenticationResults } = { now: NO_AUTHENTICATION_RESULTS }
  const keys = new Map<string, string>()
  let mine: Mail
  let his: Mail
  /** A mail in Bob's inbox, one in Ann's, and one without an account. */
  let inboxes: { bob: string; ann: string; nobody: string }

  const basic = (user: string, key = keys.get(user) ?? ''): string => `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`
  async function call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    url: string,
    body?: object,
    auth = basic('ann'),
  ): Promise<ApiResponse> {
    const response = await web.inject({ method, url, headers: { authorization: auth }, ...(body === undefined ? {} : { payload: body }) })
    return { status: response.statusCode, body: response.body }
  }
  const webApiKey = (): string => `api_user=ann&api_key=${encodeURIComponent(keys.get('ann') ?? '')}`
  const oneClick = async (url: string): Promise<ApiResponse> => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await web.inject({ method: 'POST', url, headers, payload: 'List-Unsubscribe=One-Click' })
    return { status: response.statusCode, body: response.body }
  }
  async function register(user: string, recipient: string, over: object = {}): Promise<Mail> {
    const response = await call(
      'POST',
      '/v1/messages',
      { from: 'news@example.com', label: 'news', recipients: [recipient], ...over },
      basic(user),
    )
    expect(response).toMatchObject({ status: 201 })
    const { emailId, returnPath, feedbackId, messageIdHeader, headers } = JSON.parse(response.body).recipients[0]
    const token = String(returnPath).split('@')[0] ?? ''
    const unsubscribe = /\/u\/([a-z2-7]+)/.exec(headers['List-Unsubscribe'])?.[1] ?? ''
    return { emailId, token, feedbackId, unsubscribe, messageId: String(messageIdHeader), deliveryId: token.slice(1, 14) }
  }
  const mail = async (to: string, raw: string, over: object = {}): Promise<string> =>
    (await receiver.submit(makeIncomingMail(raw, to, { at: T0, receivedAt: T0, ...over }))).digest

  /** A token for Bob's mail, signed with the only key that Ann can have. */
  const forged = (purpose: TokenPurpose): string =>
    mintToken({
      key: deriveTokenKey(MASTER, ANN, 0),
      keyIndex: 0,
      deliveryId: his.deliveryId,
      purpose,
      domain: purpose === 'return-path' ? 'bounce.example.com' : 'fbl.example.com',
    }) ?? ''
  const withReturned = (raw: string, headers: readonly string[]): string =>
    raw.replace(/--b--\r\n$/, `--b\r\nContent-Type: message/rfc822\r\n\r\n${headers.join('\r\n')}\r\n\r\nHello\r\n--b--\r\n`)
  const aligned = (domain: string): AuthenticationResults => ({
    ...NO_AUTHENTICATION_RESULTS,
    dkim: [{ domain, selector: 's', result: 'pass', valid: true, aligned: true, signedFields: ['from', 'to', 'subject', 'content-type'] }],
  })

  async function of<R extends { readonly account: number }>(
    shape: Parameters<typeof listRowsForOperator<R>>[1],
    account: number,
  ): Promise<readonly R[]> {
    return (await listRowsForOperator<R>(engine.read, shape, null, 100_000)).filter((row) => row.account === account)
  }
  async function dump(): Promise<object> {
    const accounts = await listAccountsForOperator(engine.read)
    return {
      deliveries: await of(DELIVERIES, BOB),
      suppressions: await of(SUPPRESSIONS, BOB),
      shared: await of(SUPPRESSIONS, 0),
      counters: await of(COUNTERS, BOB),
      outbox: await of(OUTBOX, BOB),
      endpoints: await listEndpointsOfAccounts(engine.read, [BOB]),
      account: accounts.find(({ account }) => account === BOB),
      labels: await engine.read.all('select * from labels where account_id = $1', [BOB]),
      secrets: await engine.read.all('select * from credentials where account_id = $1', [BOB]),
      waiting: (await of(INBOX, BOB)).filter(({ digest }) => digest === inboxes.bob),
    }
  }

  beforeAll(async () => {
    engine = (await open()).engine
    context = await makeContext(engine, { now: T0 }, [])
    for (const apiUser of ['ann', 'bob']) {
      const made = await engine.tx((db) =>
        createAccountWithApiUser(db, { apiUser, apiKey: null, trust: apiUser === 'ann' ? 'any' : 'strict', giveUpAfterDays: 5 }, T0),
      )
      keys.set(apiUser, made.apiKey)
    }
    // Both accounts use the shared list: an entry by Ann would suppress Bob's mail.
    for (const { account, settings } of await listAccountsForOperator(engine.read))
      await engine.tx((db) => saveAccountSettings(db, account, { ...settings, sharedList: true }))
    const endpoint = {
      account: BOB,
      endpointId: 1,
      url: 'https://bob.example/hook',
      name: 'hook',
      apiUsers: [],
      format: 'json',
      ladder: 'standard',
    } as const
    const sealed = { sealedKey: Buffer.from('sealed'), enabled: true, createdAt: T0, updatedAt: T0 }
    await engine.tx((db) =>
      saveEndpoint(db, { ...endpoint, ...sealed, events: ['invalid', 'soft_bounce', 'report_spam', 'unsubscribe', 'request'] }),
    )
    const verifier = (): Promise<AuthenticationResults> => Promise.resolve(authentication.now)
    receiver = createReceiver(context, { prover: verifier, dryRun: false, notifyReplays: true })
    web = await makeHttpApp(context, verifier)
    mine = await register('ann', TARGET)
    his = await register('bob', TARGET)
    const listed = await register('bob', 'gone@example.org')
    await mail(`${listed.token}@bounce.example.com`, ndr({ token: listed.token, recipient: 'gone@example.org' }))
    inboxes = {
      bob: await mail('fbl@fbl.example.com', arf({ token: his.feedbackId, recipient: TARGET, n: 100 })),
      ann: await mail(`${forged('return-path').slice(0, 20)}@bounce.example.com`, ndr({ recipient: TARGET, n: 101 })),
      nobody: await mail('x@bounce.example.com', ndr({ recipient: TARGET, n: 102 })),
    }
  })
  afterAll(async () => {
    await web.close()
  })

  /** `hides`: text that the response must not contain. */
  type Want = { readonly status?: number; readonly hides?: string }
  type Attack = readonly [channel: string, attack: string, run: () => Promise<unknown>, want?: Want]
  const url = (id: string): string => encodeURIComponent(id)
  const listing = (list: string): string => `/v1/suppressions/${list}`
  const attempt = (emailId: string): object => ({ emailId, code: 550, text: '5.1.1 No such user' })
  const sendcloud = (path: string, user = 'ann', extra = ''): Promise<ApiResponse> =>
    call('POST', `/api/${path}?apiUser=${user}&apiKey=${keys.get('ann') ?? ''}${extra}`, {}, '')

  /** An event of Postmark about a mail to the target, by a new source of Ann's. */
  async function postEvent(event: object): Promise<unknown> {
    const { body } = await call('POST', '/v1/event-sources', { esp: 'postmark' })
    const { id, password }: { readonly id: string; readonly password: string } = JSON.parse(String(body))
    const details = { RecordType: 'Bounce', Email: TARGET, Details: '550 5.1.1 No such user', ...event }
    return call('POST', `/in/postmark?source=${id}`, details, basic('bounced', password))
  }

  const ATTACKS: readonly Attack[] = [
    ['api', 'reads his mail', () => call('GET', `/v1/messages/${url(his.emailId)}`), { status: 404 }],
    ['api', 'gets tracking links of his mail', () => call('POST', '/v1/track/html', { emailId: his.emailId, html: 'x' }), { status: 404 }],
    ['api', 'reports an attempt for his mail', () => call('POST', '/v1/attempts', attempt(his.emailId)), { status: 404 }],
    ['api', 'reports it among her own attempts', () => call('POST', '/v1/attempts', Object(attempt(his.emailId)))],
    ['events', 'names his account for a source', () => call('POST', '/v1/event-sources?account=bob', { esp: 'postmark' }), { status: 403 }],
    ['events', 'lists his sources', () => call('GET', '/v1/event-sources?account=bob'), { status: 403 }],
    [
      'events',
      'bounces his mail by a source of hers',
      () => postEvent({ Type: 'HardBounce', Metadata: { bounced: his.emailId } }),
      { status: 200 },
    ],
    ['events', 'bounces it by its token', () => postEvent({ Type: 'HardBounce', Metadata: { bounced: his.token } }), { status: 200 }],
    ['events', 'complains about it', () => postEvent({ Type: 'SpamComplaint', Metadata: { bounced: his.token } }), { status: 200 }],
    [
      'api',
      'reports a refusal of her own mail to his recipient, to fill the shared list',
      () => call('POST', '/v1/attempts', attempt(mine.emailId)),
      { status: 200 },
    ],
    ['api', 'names his account in a parameter for the operator', () => call('GET', `${listing('bounce')}?account=bob`), { status: 403 }],
    [
      'api',
      'removes his list entries',
      () =>
        call('POST', '/v1/suppressions/lift?account=bob', {
          site: 'example.org',
          since: '2026-01-01T00:00:00Z',
          until: '2027-01-01T00:00:00Z',
        }),
      { status: 403 },
    ],
    ['api', 'reads one of his entries', () => call('GET', `${listing('bounce')}/gone@example.org`), { status: 404 }],
    ['api', 'takes one of his addresses off', () => call('DELETE', `${listing('bounce')}/gone@example.org`), { status: 404 }],
    ['api', 'names his account to do so', () => call('DELETE', `${listing('bounce')}/gone@example.org?account=bob`), { status: 403 }],
    ['api', 'blocks his recipient', () => call('PUT', `${listing('block')}/${url(TARGET)}?scope=bob`, { note: 'x' }), { status: 200 }],
    ['api', 'reads his account', () => call('GET', '/v1/accounts/bob'), { status: 404 }],
    [
      'api',
      'registers in his name',
      () => call('POST', '/v1/messages?account=bob', { from: 'a@example.com', recipients: ['x@example.org'] }),
      { status: 403 },
    ],
    [
      'api',
      'registers his token as one of hers',
      () => call('POST', '/v1/messages', { from: 'a@example.com', recipients: [{ recipient: TARGET, token: his.token }] }),
      { status: 400 },
    ],
    ['api', 'registers a mail with his Message-ID', () => register('ann', TARGET, { headers: { 'Message-ID': his.messageId } })],
    ['api', 'reads his endpoint', () => call('GET', '/v1/webhooks/1/outbox'), { status: 404 }],
    ['api', 'redirects his endpoint to herself', () => call('PATCH', '/v1/webhooks/1', { url: 'https://93.184.215.14/' }), { status: 404 }],
    ['api', 'names his account to rotate its secret', () => call('PATCH', '/v1/webhooks/1?account=bob', { rotate: true }), { status: 403 }],
    ['api', 'removes his endpoint', () => call('DELETE', '/v1/webhooks/1'), { status: 404 }],
    ['api', 'replays his endpoint', () => call('POST', '/v1/webhooks/1/replay', {}), { status: 404 }],
    ['api', 'signs in as him with her key', () => call('GET', '/v1/messages', undefined, basic('bob', keys.get('ann'))), { status: 401 }],
    ['api', 'blocks his account', () => call('POST', '/v1/cuts', { account: 'bob', reason: 'x' }), { status: 403 }],
    ['api', 'blocks his token', () => call('POST', '/v1/cuts', { token: his.token, reason: 'x' }), { status: 403 }],
    ['api', 'erases his recipient', () => call('DELETE', `/v1/addresses/${url(TARGET)}`), { status: 403 }],
    ['sendcloud api', 'removes his bounce entry', () => sendcloud('bounce/delete', 'ann', '&email=gone@example.org')],
    ['sendcloud api', 'removes all bounce entries', () => sendcloud('bounce/delete', 'ann', '&startDate=2026-01-01&endDate=2027-01-01')],
    ['sendcloud api', 'unsubscribes his recipient', () => sendcloud('unsubscribe/add', 'ann', `&email=${TARGET}`)],
    ['sendcloud api', 'blocks his recipient', () => sendcloud('block/add', 'ann', `&email=${TARGET}&domainName=example.org`)],
    ['sendcloud api', 'blocks him by name', () => sendcloud('block/add', 'ann', `&email=${TARGET}&apiUserBlock=bob`)],
    ['sendcloud api', 'allows his recipient', () => sendcloud('unintercept/add', 'ann', `&email=${TARGET}`)],
    ['sendcloud api', 'removes his blocks', () => sendcloud('block/delete', 'ann', `&email=${TARGET}&domainName=example.org`)],
    ['sendcloud api', 'renames a label with the number of his', () => sendcloud('label/update', 'ann', '&labelId=1&labelName=hers')],
    ['sendcloud api', 'deletes a label with the number of his', () => sendcloud('label/delete', 'ann', '&labelId=1')],
    [
      'sendcloud api',
      'reads his statistics',
      () => sendcloud('statday/list', 'ann', '&days=3&apiUserList=bob'),
      { hides: '"apiUser":"bob"' },
    ],
    ['sendcloud api', 'lists opens of his mail', () => sendcloud('openandclick/list', 'ann', `&email=${TARGET}`), { hides: '"emailId"' }],
    ['engagelab', 'lists his blocks', () => call('GET', '/v1/blocks?api_user=bob'), { status: 200, hides: 'bob' }],
    ['engagelab', 'deletes his unsubscribe entry', () => call('DELETE', `/v1/unsubscribes?email=${TARGET}`), { status: 200 }],
    ['engagelab', 'names his account', () => call('GET', '/v1/bounces?account=bob'), { status: 200, hides: 'gone@' }],
    ['engagelab', 'renames a label with the number of his', () => call('PUT', '/v1/labels/1', { label_name: 'hers' })],
    ['engagelab', 'removes a label with the number of his', () => call('DELETE', '/v1/labels/1')],
    [
      'engagelab',
      'reads his statistics',
      () => call('GET', '/v1/stats_day?start_date=2026-11-01&end_date=2026-11-30&api_users=bob'),
      { status: 200, hides: 'bob' },
    ],
    ['webapi', 'removes his bounce entry', () => call('GET', `/webapi/bounces.delete.json?${webApiKey()}&email=gone@example.org`)],
    ['webapi', 'removes his unsubscribes', () => call('GET', `/webapi/unsubscribes.delete.json?${webApiKey()}&email=${TARGET}`)],
    ['webapi', 'lists his API users', () => call('GET', `/webapi/apiUser.list.json?${webApiKey()}`), { status: 200, hides: 'bob' }],
    ['sendcloud api', 'names him with her key', () => sendcloud('unsubscribe/add', 'bob', `&email=${TARGET}`)],
    [
      'sendcloud api',
      'reads the status of his mail',
      () => sendcloud('data/emailStatus', 'ann', `&days=3&emailIds=${url(his.emailId)}`),
      { hides: TARGET },
    ],
    ['token', 'opens his unsubscribe link with her token', () => oneClick(`/u/${forged('unsubscribe')}`), { status: 404 }],
    [
      'token',
      'puts his delivery id into her own token',
      () => oneClick(`/u/${mine.unsubscribe.slice(0, 4)}${his.unsubscribe.slice(4, 14)}${mine.unsubscribe.slice(14)}`),
      { status: 404 },
    ],
    ['token', 'unsubscribes by his Return-Path', () => oneClick(`/u/${his.token}`), { status: 404 }],
    ['token', 'unsubscribes by his feedback id', () => oneClick(`/u/${his.feedbackId}`), { status: 404 }],
    ['token', 'unsubscribes by a truncated link', () => oneClick(`/u/${his.unsubscribe.slice(0, 29)}`), { status: 404 }],
    ['token', 'follows his link as a scanner does', () => call('GET', `/u/${his.unsubscribe}`, undefined, ''), { status: 200 }],
    [
      'ndr',
      'bounces her own mail and names his recipient',
      () => mail(`${mine.token}@bounce.example.com`, ndr({ token: mine.token, recipient: TARGET })),
    ],
    [
      'ndr',
      'signs his Return-Path with her key',
      () => mail(`${forged('return-path')}@bounce.example.com`, ndr({ recipient: TARGET, n: 1 })),
    ],
    ['ndr', 'uses his feedback id as a Return-Path', () => mail(`${his.feedbackId}@bounce.example.com`, ndr({ recipient: TARGET, n: 2 }))],
    [
      'ndr',
      'uses her token and returns his Message-ID',
      () =>
        mail(
          `${mine.token}@bounce.example.com`,
          withReturned(ndr({ token: mine.token, recipient: TARGET, n: 3, reply: '552 5.2.2 full', status: '5.2.2' }), [
            `Message-ID: ${his.messageId}`,
          ]),
        ),
    ],
    [
      'ndr',
      'returns his Message-ID alone',
      () => mail('x@bounce.example.com', withReturned(ndr({ recipient: TARGET, n: 4 }), [`Message-ID: ${his.messageId}`])),
    ],
    [
      'ndr',
      'returns his emailId alone',
      () => mail('x@bounce.example.com', withReturned(ndr({ recipient: TARGET, n: 5 }), [`X-Email-ID: ${his.emailId}`])),
    ],
    [
      'ndr',
      'returns a Return-Path that she signed for his mail',
      () =>
        mail(
          'x@bounce.example.com',
          withReturned(ndr({ recipient: TARGET, n: 6 }), [`Return-Path: <${forged('return-path')}@bounce.example.com>`]),
        ),
    ],
    [
      'arf',
      'complains with her feedback id and names his recipient',
      () => mail('fbl@fbl.example.com', arf({ token: mine.feedbackId, recipient: TARGET, n: 1 })),
    ],
    [
      'arf',
      'signs his feedback id with her key',
      () => mail('fbl@fbl.example.com', arf({ token: forged('feedback'), recipient: TARGET, n: 2 })),
    ],
    [
      'arf',
      'sends an opt-out for his mail',
      () => mail('fbl@fbl.example.com', arf({ token: forged('feedback'), recipient: TARGET, type: 'opt-out', n: 3 })),
    ],
    [
      'arf',
      'reports his mail as not spam',
      () => mail('fbl@fbl.example.com', arf({ token: forged('feedback'), recipient: TARGET, type: 'not-spam', n: 4 })),
    ],
    [
      'arf',
      'uses his feedback id without a signature',
      () => mail('fbl@fbl.example.com', arf({ token: his.feedbackId, recipient: TARGET, n: 5 })),
    ],
    [
      'arf',
      'makes the Message-ID of his mail with her key, in a complaint that her domain signs',
      () =>
        signedBy('evil.example', () =>
          mail(
            'fbl@fbl.example.com',
            arf({ recipient: TARGET, n: 6 }).replace('CFBL-Feedback-ID: nobody', `Message-ID: <${forged('message-id')}@example.com>`),
          ),
        ),
    ],
    [
      'arf',
      'forges the feedback id of a CFBL report that her domain signs',
      () => signedBy('evil.example', () => mail('fbl@fbl.example.com', arf({ token: forged('feedback'), recipient: TARGET, n: 7 }))),
    ],
    [
      'mailto',
      'unsubscribes by a token that she signed',
      () => mail(`${forged('unsubscribe')}@fbl.example.com`, `From: ${TARGET}\r\nSubject: unsubscribe\r\n\r\nx\r\n`),
    ],
    [
      'mailto',
      'unsubscribes by his Return-Path',
      () => mail(`${his.token}@fbl.example.com`, `From: ${TARGET}\r\nSubject: unsubscribe\r\n\r\ny\r\n`),
    ],
    [
      'replay',
      'replays her forged bounce',
      () => mail(`${forged('return-path')}@bounce.example.com`, ndr({ recipient: TARGET, n: 20 }), { source: 'replay' }),
    ],
    [
      'replay',
      'replays her own bounce as trusted by the operator',
      () =>
        mail(
          `${mine.token}@bounce.example.com`,
          ndr({ token: mine.token, recipient: TARGET, n: 21, reply: '552 5.2.2 full', status: '5.2.2' }),
          { source: 'replay', trustAs: 'operator' },
        ),
    ],
    ...(['accept', 'discard', 'replay'] as const).flatMap((action): readonly Attack[] => [
      ['inbox', `${action}s a mail in his inbox`, () => call('POST', `/v1/inbox/${inboxes.bob}/${action}`), { status: 404 }],
      [
        'inbox',
        `${action}s a mail in his inbox and names his account`,
        () => call('POST', `/v1/inbox/${inboxes.bob}/${action}?account=bob`),
        { status: 403 },
      ],
      ['inbox', `${action}s a mail without an account`, () => call('POST', `/v1/inbox/${inboxes.nobody}/${action}`), { status: 404 }],
    ]),
    [
      'inbox',
      'links a mail in his inbox to her mail',
      () => call('POST', `/v1/inbox/${inboxes.bob}/link`, { emailId: mine.emailId }),
      { status: 404 },
    ],
    ['inbox', 'reads a mail in his inbox', () => call('GET', `/v1/inbox/${inboxes.bob}/raw`), { status: 404 }],
    ['inbox', 'lists his inbox', () => call('GET', '/v1/inbox?account=bob&state=any'), { status: 403, hides: '"reason":"unmatched"' }],
    [
      'inbox',
      'links a mail in her inbox to his mail',
      () => call('POST', `/v1/inbox/${inboxes.ann}/link`, { emailId: his.emailId }),
      { status: 404 },
    ],
    ['inbox', 'accepts a mail in her inbox', () => call('POST', `/v1/inbox/${inboxes.ann}/accept`)],
  ]

  async function signedBy<T>(domain: string, work: () => Promise<T>): Promise<T> {
    authentication.now = aligned(domain)
    return work().finally(() => {
      authentication.now = NO_AUTHENTICATION_RESULTS
    })
  }

  test.each(ATTACKS.map(([channel, attack, run, want]) => ({ channel, attack, run, want })))(
    'by $channel: Ann $attack',
    async ({ run, want }) => {
      const before = await dump()
      const answer = await run()
      const { status, body } = { status: undefined, body: '', ...Object(answer) }
      const shows = want?.hides !== undefined && String(body).includes(want.hides)
      expect({ status: want?.status === undefined ? undefined : status, shows }).toEqual({ status: want?.status, shows: false })
      expect(await dump()).toEqual(before)
    },
  )

  test('Ann can change her own data, and a rebuild gives the same rows', async () => {
    const hers = (await of(SUPPRESSIONS, ANN)).filter(({ addressHash }) => addressHash === hashAddress(TARGET)).map(({ list }) => list)
    expect(hers.toSorted()).toEqual(['allow', 'block', 'block', 'bounce', 'complaint', 'unsubscribe'])
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])
  })

  test('a genuine bounce changes the dump, so the comparison sees changes', async () => {
    const before = await dump()
    await mail(`${his.token}@bounce.example.com`, ndr({ token: his.token, recipient: TARGET, n: 200 }))
    expect(await dump()).not.toEqual(before)
    expect((await of(SUPPRESSIONS, BOB)).some(({ addressHash }) => addressHash === hashAddress(TARGET))).toBe(true)
  })

  test('token keys differ by account, index and master key', () => {
    const derived = [1, 2, 3].flatMap((account) => [0, 1].map((index) => deriveTokenKey(MASTER, account, index).toString('hex')))
    derived.push(deriveTokenKey(Buffer.alloc(32, 8), 1, 0).toString('hex'))
    expect(new Set(derived).size).toBe(7)
  })
})
