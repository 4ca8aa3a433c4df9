/**
 * store.test - the SendCloud API on a real store of each engine: statistics, entries, labels, opens and clicks
 */
import { readClient } from '../../../src/tracking/client-reading.ts'
import { engagementData } from '../../ledger/given.ts'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { createAccountWithApiUser } from '../../../src/daemon/accounts.ts'
import { applyFacts } from '../../../src/ledger/project/fold.ts'
import { createFact, aboutDelivery } from '../../../src/ledger/facts/new-fact.ts'
import type { DatabaseReader } from '../../../src/store/engine/engine.ts'
import { loadLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { createStatisticsService } from '../../../src/http/services/statistics.ts'
import { createAccountService } from '../../../src/http/services/accounts.ts'
import { sumRows, readStatisticsRows } from '../../../src/http/sendcloud/statistics-rows.ts'
import { toDayRange } from '../../../src/http/sendcloud/zoned-time.ts'
import type { HttpServer } from '../../../src/http/server/http-server.ts'
import { commitLedgerState } from '../../../src/service/commit.ts'
import { changeAccountSettings } from '../../../src/service/admin/account-settings.ts'
import type { Context } from '../../../src/service/context.ts'
import { makeHttpApp, makeTrackingDomains } from '../../support/services.ts'
import { engines } from '../../support/engines.ts'
import { makeContext } from '../../support/context.ts'
import type { Clock } from '../../support/context.ts'

/** 23:30 in Berlin, on the evening before daylight saving time starts. */
const T0 = Date.UTC(2026, 2, 28, 22, 30)
const HOUR = 3_600_000
const DAYS = 'startDate=2026-03-28&endDate=2026-03-29'
const AGENT = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1'

type Mail = { readonly emailId: string; readonly deliveryId: string; readonly status: number; readonly subStatus: number | null }
type Envelope = {
  readonly statusCode: number
  readonly info: Record<string, never> & { readonly dataList: readonly Record<string, unknown>[] }
}

describe.each(engines)('$kind', ({ open }) => {
  const clock: Clock = { now: T0 }
  const keys = new Map<string, string>()
  let context: Context
  let web: HttpServer

  async function ask(operation: string, parameters = '', user = 'ann'): Promise<Envelope> {
    const key = keys.get(user) ?? ''
    return (await web.inject({ url: `/api/${operation}?apiUser=${user}&apiKey=${key}&${parameters}` })).json()
  }
  async function send(recipient: string, over: object = {}, user = 'ann'): Promise<Mail> {
    const authorization = `Basic ${Buffer.from(`${user}:${keys.get(user)}`).toString('base64')}`
    const payload = { from: 'news@example.com', recipients: [recipient], ...over }
    const [made] = (await web.inject({ method: 'POST', url: '/v1/messages', headers: { authorization }, payload })).json().recipients
    const { emailId, returnPath, status, subStatus } = made
    return { emailId, deliveryId: String(returnPath).slice(1, 14), status, subStatus }
  }
  async function reportReply(mail: Mail, code: number, text: string): Promise<void> {
    const headers = { authorization: `Basic ${Buffer.from(`ann:${keys.get('ann')}`).toString('base64')}` }
    const attempts = [{ emailId: mail.emailId, code, text, attempt: 1 }]
    expect((await web.inject({ method: 'POST', url: '/v1/attempts', headers, payload: attempts })).statusCode).toBe(200)
  }
  async function touch(mail: Mail, kind: 'open' | 'click', requestId: string): Promise<void> {
    await context.engine.tx(async (db) => {
      const { ledgerState: state } = await loadLedgerState(db, { deliveries: [{ account: 1, deliveryId: mail.deliveryId }] })
      const row = state.deliveries.get(mail.deliveryId)
      if (row === undefined) throw new Error('no such delivery')
      const url = kind === 'click' ? 'https://example.com/offer' : null
      const moment = { at: clock.now, receivedAt: clock.now, ids: context.ids }
      const data = engagementData({
        requestId,
        url,
        ip: '192.0.2.9',
        userAgent: AGENT,
        ...readClient(AGENT),
        country: 'DE',
        region: 'Bavaria',
        city: 'Munich',
      })
      applyFacts(state, [createFact(kind, aboutDelivery(row), moment, data)])
      await commitLedgerState(db, state, { now: clock.now, notify: () => false })
    })
  }

  beforeAll(async () => {
    const { engine } = await open()
    context = await makeContext(engine, clock, [])
    for (const apiUser of ['ann', 'bob']) {
      const made = await engine.tx((db) => createAccountWithApiUser(db, { apiUser, apiKey: null, trust: 'strict', giveUpAfterDays: 5 }, T0))
      keys.set(apiUser, made.apiKey)
    }
    await changeAccountSettings(context, { account: 1, actor: 'test', byOperator: true, change: { zone: 'Europe/Berlin' }, version: null })
    web = await makeHttpApp(context)
    const first = await send('a@example.org', { label: 'news' })
    await reportReply(first, 250, 'ok')
    await touch(first, 'open', '1')
    await touch(first, 'open', '2')
    await touch(first, 'click', '3')
    await reportReply(await send('gone@example.org', { label: 'news' }), 550, '5.1.1 No such user')
    await reportReply(await send('c@example.net'), 552, '5.2.2 Mailbox full')
    // 02:30 on the wall is skipped: half past one, then half past three.
    clock.now = T0 + 2 * HOUR
    await reportReply(await send('d@example.net'), 250, 'ok')
    clock.now = T0 + 3 * HOUR
    await send('e@example.net')
    await send('f@example.net', {}, 'bob')
  })

  test('statday has a row for each day, API user, label and domain', async () => {
    const { info, statusCode } = await ask('statday/list', DAYS)
    expect(statusCode).toBe(200)
    expect(
      info.dataList.map(({ sendDate, apiUser, domain, labelName, requestNum }) => [sendDate, apiUser, domain, labelName, requestNum]),
    ).toEqual([
      ['2026-03-28', 'ann', 'example.net', null, 1],
      ['2026-03-28', 'ann', 'example.org', 'news', 2],
      ['2026-03-29', 'ann', 'example.net', null, 2],
    ])
    expect(info.dataList[1]).toEqual({
      sendDate: '2026-03-28',
      apiUser: 'ann',
      domain: 'example.org',
      labelId: 1,
      labelName: 'news',
      requestNum: 2,
      deliveredNum: 1,
      clickNum: 1,
      openNum: 2,
      bounceNum: 0,
      spamReportedNum: 0,
      unsubscribeNum: 0,
      uniqueOpensNum: 1,
      uniqueClicksNum: 1,
      invalidEmailsNum: 1,
      requestPercent: 100,
      deliveredPercent: 50,
      clickPercent: 100,
      openPercent: 200,
      bouncePercent: 0,
      spamReportedPercent: 0,
      unsubscribePercent: 0,
      uniqueOpensPercent: 100,
      uniqueClicksPercent: 100,
      invalidEmailsPercent: 50,
    })
  })

  const filtered = [
    ['', 5],
    ['&apiUserList=ann;bob', 5],
    ['&apiUserList=bob', 0],
    ['&labelIdList=1', 2],
    ['&labelIdList=0', 3],
    ['&labelNameList=EW', 2],
    ['&labelIdList=0&labelNameList=news', 3],
    ['&labelNameList=nothing', 0],
    ['&domainList=example.NET;example.com', 3],
    ['&domainList=nowhere.example', 0],
  ] as const
  test.each(filtered)('statday with %j counts %i messages in one object', async (filter, count) => {
    const { info } = await ask('statday/list', `${DAYS}${filter}&aggregate=1`)
    expect(info.dataList).toMatchObject({ requestNum: count })
    const rows = (await ask('statday/list', `${DAYS}${filter}`)).info.dataList
    expect(rows.reduce((sum, row) => sum + Number(row['requestNum']), 0)).toBe(count)
  })

  test('statistics are read from counters, at most three hours per query', async () => {
    const { read } = context.engine
    const queries: string[] = []
    const recordingReader: DatabaseReader = {
      ...read,
      all: (sql, params) => (queries.push(sql), read.all(sql, params)),
      inKeys: (sql, keys, params) => (queries.push(`${sql} ${JSON.stringify(keys.rows)}`), read.inKeys(sql, keys, params)),
    }
    const statistics = createStatisticsService(recordingReader)
    const settings = await createAccountService(context, makeTrackingDomains(context)).getSettings(1)
    const span = toDayRange('2026-03-28', '2026-03-29', settings.zone)
    const query = {
      range: span,
      metrics: ['request'],
      dimensions: [],
      isHourly: false,
      apiUsers: null,
      labelIds: null,
      domains: null,
    } as const
    const by = { account: 1, apiUser: 'ann', ip: '192.0.2.1' }
    const call = { caller: by, settings, services: { statistics } }
    expect(sumRows((await readStatisticsRows(call, query)) ?? []).get('request')).toBe(5)
    expect(sumRows((await readStatisticsRows(call, { ...query, isHourly: true })) ?? []).get('request')).toBe(5)
    expect(queries.filter((sql) => /\b(?:deliveries|events)\b/.test(sql))).toEqual([])
    expect(queries.length).toBe(8 + 8 + 8 + 8)
  })

  test('stathour uses local hours', async () => {
    const { info } = await ask('stathour/list', DAYS)
    expect(
      info.dataList.map(({ sendDate, sendHour, labelId, requestNum, domain }) => [sendDate, sendHour, labelId, requestNum, domain]),
    ).toEqual([
      ['2026-03-28', 23, 0, 1, undefined],
      ['2026-03-28', 23, 1, 2, undefined],
      ['2026-03-29', 1, 0, 1, undefined],
      ['2026-03-29', 3, 0, 1, undefined],
    ])
    expect((await ask('stathour/list', `${DAYS}&aggregate=1`)).info.dataList).toMatchObject({ requestNum: 5, deliveredNum: 2 })
  })

  test('invalidstat uses SendCloud’s names of the causes', async () => {
    const { info } = await ask('invalidstat/list', DAYS)
    const [row] = info.dataList
    expect(info.dataList.length).toBe(1)
    expect(row).toEqual({
      sendDate: '2026-03-28',
      apiUser: 'ann',
      domain: 'example.org',
      labelId: 1,
      labelName: 'news',
      sendcloudBlacklist: 0,
      ubsubscribe: 0,
      espUnvaliable: 0,
      recipientAddressError: 0,
      ipOrDomainRejected: 0,
      recipientNotFound: 1,
      spamEmails: 0,
      senderOrRecipientRejected: 0,
      others: 0,
    })
  })

  test('openandclick lists the recipient, the time and the client', async () => {
    const { info } = await ask('openandclick/list', `${DAYS}&trackType=2`)
    expect(info).toMatchObject({ total: 1, count: 1 })
    expect(info.dataList[0]).toMatchObject({
      email: 'a@example.org',
      trackType: 2,
      url: 'https://example.com/offer',
      apiUser: 'ann',
      currTime: '2026-03-28 23:30:00',
      ip: '192.0.2.9',
      country: 'DE',
      province: 'Bavaria',
      city: 'Munich',
      browser: 'Safari 18.1',
      device: 'iOS 18.1',
      requestTime: '2026-03-28 23:30:00',
    })
    const counts = async (parameters: string, user?: string): Promise<unknown> =>
      (await ask('openandclick/list', parameters, user)).info['total']
    expect(await Promise.all([counts(DAYS), counts('email=A@Example.org'), counts('email=z@example.org'), counts(DAYS, 'bob')])).toEqual([
      3, 3, 0, 0,
    ])
    expect((await ask('openandclick/list', `${DAYS}&limit=2&start=2`)).info).toMatchObject({ total: 3, count: 1 })
  })

  async function get(url: string): Promise<Record<string, unknown>> {
    const headers = { authorization: `Basic ${Buffer.from(`ann:${keys.get('ann')}`).toString('base64')}` }
    return (await web.inject({ url, headers })).json()
  }

  test('/v1/engagement lists opens and clicks page by page, newest first', async () => {
    const first = await get('/v1/engagement?limit=2')
    expect(first['engagement']).toMatchObject([
      { kind: expect.any(String), recipient: 'a@example.org', label: 'news', country: 'DE', system: 'iOS', machine: null },
      {},
    ])
    const second = await get(`/v1/engagement?limit=2&after=${String(first['next'])}`)
    expect([second['engagement'], second['next']]).toMatchObject([[{}], null])
    const kinds = async (query: string): Promise<number> =>
      ((await get(`/v1/engagement?${query}`))['engagement'] as readonly unknown[]).length
    expect(await Promise.all(['kind=click', 'label=ews', 'label=other', 'recipient=a@example.org', 'apiUser=bob'].map(kinds))).toEqual([
      1, 3, 0, 3, 0,
    ])
  })

  test('a block applies to an address or a domain, for one API user or all, until it expires or is removed', async () => {
    clock.now = T0 + 4 * HOUR
    const add = await ask('block/add', 'email=b@example.org&domainName=blocked.example&expireTime=2026-03-30 00:00:00')
    expect(add).toMatchObject({ statusCode: 200, info: { addSuccessCount: 2 } })
    expect((await ask('block/add', 'email=b@example.org&expireTime=2026-03-30 00:00:00')).info).toEqual({ addSuccessCount: 0 })
    expect(
      (await ask('block/list', 'days=1')).info.dataList.toSorted((x, y) => (String(x['email']) < String(y['email']) ? -1 : 1)),
    ).toEqual([
      { apiUserBlock: 'all', domain: 'blocked.example', email: '', createTime: '2026-03-29 04:30:00', expireTime: '2026-03-30 00:00:00' },
      { apiUserBlock: 'all', domain: '', email: 'b@example.org', createTime: '2026-03-29 04:30:00', expireTime: '2026-03-30 00:00:00' },
    ])
    const sent = async (recipient: string): Promise<readonly unknown[]> => {
      const { status, subStatus } = await send(recipient)
      return [status, subStatus]
    }
    expect([await sent('b@example.org'), await sent('x@blocked.example'), await sent('x@example.org')]).toEqual([
      [4, 401],
      [4, 401],
      [18, null],
    ])
    expect((await ask('block/list', 'days=1&domainName=blocked.example')).info).toMatchObject({ count: 1 })
    expect((await ask('block/list', 'email=b@example.org&apiUserBlock=ann')).info).toMatchObject({ count: 0 })
    expect((await ask('block/list', 'days=1', 'bob')).info).toMatchObject({ count: 0 })
    expect((await ask('block/delete', 'email=b@example.org')).info).toEqual({ deleteSuccessCount: 1 })
    expect((await ask('block/delete', 'email=b@example.org')).info).toEqual({ deleteSuccessCount: 0 })
    expect(await sent('b@example.org')).toEqual([18, null])
    clock.now = T0 + 26 * HOUR
    expect(await sent('x@blocked.example')).toEqual([18, null])
  })

  test('an allow entry overrides the bounce list and no other list', async () => {
    const [entry] = (await ask('bounce/list', 'email=gone@example.org')).info.dataList
    expect(entry).toMatchObject({ email: 'gone@example.org', reason: expect.stringContaining('No such user') })
    expect(await send('gone@example.org')).toMatchObject({ status: 4, subStatus: 401 })
    const added = await ask('unintercept/add', 'email=gone@example.org&domainName=allowed.example&apiUserName=ann')
    expect(added.info).toMatchObject({
      count: 2,
      dataList: [{ apiUserName: 'ann', email: 'gone@example.org', domain: '' }, { domain: 'allowed.example' }],
    })
    expect((await ask('unintercept/add', 'email=gone@example.org&apiUserName=ann')).info).toMatchObject({ count: 0 })
    expect(await send('gone@example.org')).toMatchObject({ status: 18 })
    expect((await ask('unintercept/list', 'apiUserName=ann&limit=1')).info).toMatchObject({ count: 1 })
    await ask('unsubscribe/add', 'email=gone@example.org')
    expect(await send('gone@example.org')).toMatchObject({ status: 4, subStatus: 402 })
    expect((await ask('unintercept/delete', 'email=gone@example.org')).info).toEqual({ count: 0 })
    expect((await ask('unintercept/delete', 'email=gone@example.org&domainName=allowed.example&apiUserName=ann')).info).toEqual({
      count: 2,
    })
  })

  test('labels are added and removed; existing statistics keep their names', async () => {
    const added = await ask('label/add', 'labelName=spring')
    expect(added).toMatchObject({ statusCode: 200, info: { data: { labelName: 'spring' } } })
    expect(await ask('label/add', 'labelName=spring')).toMatchObject({ statusCode: 40113 })
    expect(await ask('label/add', 'labelName=spring', 'bob')).toMatchObject({ statusCode: 200 })
    expect((await ask('label/list', 'query=PRI')).info).toMatchObject({ total: 1, count: 1 })
    expect((await ask('label/update', 'labelId=1&labelName=journal')).info).toMatchObject({ count: 1 })
    expect((await ask('label/delete', 'labelId=1', 'bob')).info).toMatchObject({ count: 1 })
    expect((await ask('label/get', 'labelId=1')).info).toMatchObject({ data: { labelId: 1, labelName: 'journal' } })
    expect((await ask('label/delete', 'labelId=1')).info).toEqual({ count: 1 })
    expect(await ask('label/get', 'labelId=1')).toMatchObject({ statusCode: 40106 })
    expect((await ask('statday/list', `${DAYS}&labelIdList=1`)).info.dataList[0]).toMatchObject({ labelId: 1, labelName: 'journal' })
  })

  test('an unsubscribe is found by its label', async () => {
    const counts = async (parameters: string): Promise<unknown> => (await ask('unsubscribe/list', parameters)).info['count']
    const queries = ['days=1', 'days=1&labelIdList=0', 'days=1&labelNameList=none', 'days=1&labelIdList=99']
    expect(await Promise.all(queries.map((parameters) => counts(parameters)))).toEqual([1, 1, 0, 0])
  })

  test('concurrent requests create one entry and one label', async () => {
    const ten = Array.from({ length: 10 }, (_, n) => n)
    const blocks = await Promise.all(ten.map(() => ask('block/add', 'email=race@example.org&domainName=race.example')))
    const counts = blocks.map(({ statusCode, info }) => [statusCode, Number(info['addSuccessCount'])] as const)
    expect(counts.map(([code]) => code)).toEqual(ten.map(() => 200))
    expect(counts.reduce((sum, [, added]) => sum + added, 0)).toBe(2)
    const labels = (await Promise.all(ten.map(() => ask('label/add', 'labelName=race')))).map(({ statusCode }) => statusCode)
    expect(labels.toSorted((a, b) => a - b)).toEqual([200, ...ten.slice(1).map(() => 40113)])
    const gone = await Promise.all(ten.map(() => ask('block/delete', 'email=race@example.org&domainName=race.example')))
    expect(gone.reduce((sum, { info }) => sum + Number(info['deleteSuccessCount']), 0)).toBe(2)
  })

  test('arbitrary text does not break the store', async () => {
    const reads = [
      'data/emailStatus',
      'unsubscribe/list',
      'block/list',
      'unintercept/list',
      'statday/list',
      'openandclick/list',
      'label/list',
    ]
    const names = ['email', 'labelName', 'labelNameList', 'apiUserList', 'domainList', 'emailIds', 'query', 'labelId', 'start', 'subStatus']
    const text = fc.oneof(
      fc.constantFrom('\0', '%', '_', '\\', "'", '"; drop table labels', '\ud800', '999999999', 'joe@example.org'),
      fc.string({ unit: 'binary' }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...reads),
        fc.array(fc.tuple(fc.constantFrom(...names), text), { maxLength: 4 }),
        async (name, given) => {
          const queries = new URLSearchParams([['days', '1'], ...given.map((pair) => [...pair])])
          expect((await ask(name, queries.toString())).statusCode).not.toBe(501)
        },
      ),
      { numRuns: 150 },
    )
  })

  test('userinfo returns the account', async () => {
    expect((await ask('userinfo/get')).info).toEqual({
      userName: 'ann',
      email: '',
      phone: '',
      regTime: '2026-03-28',
      accountType: '',
      quota: 0,
      todayUsedQuota: 0,
      reputation: 0,
      balance: 0,
      avaliableBalance: 0,
      websiteAuthStatus: false,
      businessAuthStatus: false,
    })
  })
})
