/**
 * sendcloud.test - the SendCloud API: the code of many requests, sign-in, formats, and days in time zones
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../../src/ledger/account-settings.ts'
import { splitIntoDays, formatTime, splitIntoHours, parseDay, parseTime, toDayRange } from '../../../src/http/sendcloud/zoned-time.ts'
import { listSendCloudOperations } from '../compatible-routes.ts'
import { makeBench, type Bench } from '../bench.ts'

const KEY = 'apiUser=alice&apiKey=secret-of-alice'
let bench: Bench
beforeAll(async () => {
  bench = await makeBench()
})

const CASES = [
  // operation            parameters                                         code
  ['data/emailStatus', 'days=1', 200],
  ['data/emailStatus', 'days=3', 200],
  ['data/emailStatus', 'days=4', 40006],
  ['data/emailStatus', 'days=0', 40006],
  ['data/emailStatus', 'days=x', 40006],
  ['data/emailStatus', '', 40006],
  ['data/emailStatus', 'startDate=2026-11-18&endDate=2026-11-20', 200],
  ['data/emailStatus', 'start_date=2026-11-18&end_date=2026-11-20', 200],
  ['data/emailStatus', 'startDate=2026-11-17&endDate=2026-11-20', 40008],
  ['data/emailStatus', 'startDate=2026-11-20&endDate=2026-11-18', 40008],
  ['data/emailStatus', 'startDate=2026-11-20', 40008],
  ['data/emailStatus', 'endDate=2026-11-20', 40007],
  ['data/emailStatus', 'startDate=20.11.2026&endDate=2026-11-20', 40007],
  ['data/emailStatus', 'startDate=2026-11-20&endDate=2026-02-30', 40008],
  ['bounce/list', 'startDate=9999-12-31&endDate=9999-12-31', 40007],
  ['bounce/list', 'startDate=0001-01-01&endDate=0001-01-01', 40007],
  ['bounce/list', 'startDate=2026-11-20&endDate=9999-12-31', 40008],
  ['bounce/list', 'startDate=9998-12-31&endDate=9998-12-31', 200],
  ['bounce/list', 'startDate=1970-01-01&endDate=1970-01-01', 200],
  ['data/emailStatus', `days=1&labelName=${'x'.repeat(128)}`, 200],
  ['data/emailStatus', `days=1&labelName=${'x'.repeat(129)}`, 40015],
  ['unsubscribe/list', `days=1&labelNameList=a;${'x'.repeat(60_000)}`, 40015],
  ['data/emailStatus', 'days=1&limit=100&start=0', 200],
  ['data/emailStatus', 'days=1&limit=0', 200],
  ['data/emailStatus', 'days=1&limit=101', 40004],
  ['data/emailStatus', 'days=1&start=-1', 40002],
  ['data/emailStatus', 'days=1&start=x&limit=x', 40002],
  ['data/emailStatus', 'days=1&start=', 40001],
  ['data/emailStatus', 'days=1&start=&limit=x', 40001],
  ['data/emailStatus', 'days=1&limit=', 40003],
  ['data/emailStatus', 'days=1&email=', 40011],
  ['data/emailStatus', 'days=1&labelId=', 40014],
  ['data/emailStatus', 'days=1&apiUserList=', 40010],
  ['data/emailStatus', 'days=1&startDate=&endDate=', 200],
  ['data/noSuchThing', 'days=1', 501],
  ['bounce/delete', 'days=1&email=', 40011],
  ['bounce/list', 'days=1&labelIdList=', 40009],
  ['bounce/list', 'days=1&limit=', 40003],
  ['data/emailStatus', 'days=1&email=nobody', 40012],
  ['data/emailStatus', 'email=nobody', 40012],
  ['data/emailStatus', 'days=1&labelId=x', 40015],
  ['data/emailStatus', 'days=1&status=4&subStatus=406;408', 200],
  ['bounce/list', 'days=1', 200],
  ['bounce/list', 'days=92', 200],
  ['bounce/list', 'days=93', 40006],
  ['bounce/list', '', 40006],
  ['bounce/list', 'email=joe@example.com', 200],
  ['bounce/list', 'email=joe@example.com&days=999', 200],
  ['bounce/list', 'email=joe@example.com&limit=101', 40004],
  ['bounce/count', 'days=1', 200],
  ['bounce/delete', 'email=joe@example.com', 40601],
  ['bounce/delete', '', 40006],
  ['complaint/list', 'days=1', 200],
  ['complaint/count', 'days=1', 200],
  ['complaint/delete', 'email=joe@example.com', 200],
  ['spamreported/list', 'days=1', 200],
  ['unsubscribe/list', 'days=1', 200],
  ['unsubscribe/list', 'days=1&labelIdList=1;x', 40015],
  ['unsubscribe/count', 'days=1', 200],
  ['unsubscribe/add', 'email=joe@example.com', 40401],
  ['unsubscribe/add', '', 40011],
  ['unsubscribe/add', 'email=nobody', 40012],
  ['unsubscribe/delete', 'email=joe@example.com', 40403],
  ['unsubscribe/list', 'days=1&labelNameList=news;x', 200],
  ['block/list', 'days=1', 200],
  ['block/list', '', 40006],
  ['block/list', 'days=93', 40006],
  ['block/list', 'email=joe@example.com', 200],
  ['block/list', 'email=nobody&days=1', 40012],
  ['block/list', 'domainName=example.com&days=1', 200],
  ['block/list', 'domainName=not a domain&days=1', 40013],
  ['block/list', 'apiUserBlock=all&days=1&limit=0', 200],
  ['block/list', 'apiUserBlock=a b&days=1', 40016],
  ['block/list', 'days=1&limit=101', 40004],
  ['block/list', 'days=1&start=', 40001],
  ['block/add', 'email=joe@example.com', 200],
  ['block/add', 'email=joe@example.com;ann@example.com&domainName=example.net', 200],
  ['block/add', 'email=joe@example.com;ann', 40012],
  ['block/add', '', 40011],
  ['block/add', 'email=', 40011],
  ['block/add', 'domainName=-', 40013],
  ['block/add', 'apiUserBlock=alice&domainName=example.net', 200],
  ['block/add', 'apiUserBlock=mallory&domainName=example.net', 40016],
  ['block/add', 'email=joe@example.com&expireTime=2026-11-21 00:00:00', 200],
  ['block/add', 'email=joe@example.com&expireTime=2026-11-21', 200],
  ['block/add', 'email=joe@example.com&expireTime=2026-11-20 11:59:59', 40008],
  ['block/add', 'email=joe@example.com&expireTime=tomorrow', 40008],
  ['block/delete', 'email=joe@example.com', 200],
  ['block/delete', 'domainName=example.net', 200],
  ['block/delete', '', 40011],
  ['unintercept/list', '', 200],
  ['unintercept/list', 'apiUserName=All&domainName=example.com', 200],
  ['unintercept/list', 'email=nobody', 40012],
  ['unintercept/list', 'limit=x', 40004],
  ['unintercept/add', 'email=joe@example.com&domainName=example.com', 200],
  ['unintercept/add', 'apiUserName=mallory&email=joe@example.com', 40016],
  ['unintercept/add', '', 40011],
  ['unintercept/delete', 'domainName=example.com', 200],
  ['unintercept/delete', '', 40011],
  ['statday/list', 'days=1', 200],
  ['statday/list', 'days=92&apiUserList=alice;bob&labelIdList=7;0&domainList=example.com&aggregate=1', 200],
  ['statday/list', 'days=1&labelNameList=news', 200],
  ['statday/list', '', 40006],
  ['statday/list', 'days=93', 40006],
  ['statday/list', 'startDate=2026-11-20', 40008],
  ['statday/list', 'startDate=x&endDate=2026-11-20', 40007],
  ['statday/list', 'days=1&apiUserList=', 40010],
  ['statday/list', 'days=1&labelIdList=', 40009],
  ['statday/list', 'days=1&labelIdList=x', 40015],
  ['statday/list', 'days=1&domainList=', 40013],
  ['statday/list', 'days=1&domainList=a b', 40013],
  ['statday/list', 'days=1&aggregate=2', 40017],
  ['statday/list', 'days=1&aggregate=constructor', 40017],
  ['statday/list', 'days=1&aggregate=', 200],
  ['stathour/list', 'days=1&aggregate=true', 200],
  ['stathour/list', 'days=1&domainList=not a domain', 200],
  ['stathour/list', '', 40006],
  ['invalidstat/list', 'days=1&aggregate=0', 200],
  ['invalidstat/list', 'days=1&aggregate=maybe', 40017],
  ['invalidstat/list', '', 40006],
  ['openandclick/list', 'days=1', 200],
  ['openandclick/list', 'email=joe@example.com&days=1000', 200],
  ['openandclick/list', 'days=1&trackType=3', 200],
  ['openandclick/list', 'days=1&labelId=x', 40015],
  ['openandclick/list', 'days=1&apiUserList=', 40010],
  ['openandclick/list', 'days=1&limit=101', 40004],
  ['openandclick/list', 'email=nobody', 40012],
  ['openandclick/list', '', 40006],
  ['label/list', '', 200],
  ['label/list', 'query=ne&start=0&limit=10', 200],
  ['label/list', 'limit=101', 40004],
  ['label/get', 'labelId=7', 200],
  ['label/get', 'labelId=8', 40106],
  ['label/get', 'labelId=x', 40015],
  ['label/get', '', 40014],
  ['label/add', 'labelName=spring', 200],
  ['label/add', 'labelName=taken', 40113],
  ['label/add', 'labelName=two%0Alines', 40105],
  ['label/add', '', 40104],
  ['label/update', 'labelId=7&labelName=spring', 200],
  ['label/update', 'labelId=8&labelName=spring', 200],
  ['label/update', 'labelId=7&labelName=taken', 40113],
  ['label/update', 'labelId=7', 40104],
  ['label/delete', 'labelId=7', 200],
  ['label/delete', 'labelId=8', 200],
  ['label/delete', '', 40014],
  ['userinfo/get', '', 200],
  ['userinfo/get', 'noSuchParameter=1', 200],
  ['webhook/list', '', 200],
  ['webhook/add', 'url=https://good.example/new', 40703],
  ['webhook/add', 'url=https://good.example/new&event=nonsense', 40704],
  ['webhook/add', 'event=1', 40705],
  ['webhook/add', 'event=1&url=nonsense', 40706],
  ['webhook/add', 'event=1&url=ftp://good.example/', 40706],
  ['webhook/add', 'event=1&url=https://bad.example/', 40707],
  ['webhook/add', 'event=1&url=https://good.example/held', 40708],
  ['webhook/add', 'event=1,4;5,open&url=https://good.example/new&categoryName=alice', 200],
  ['webhook/add', 'event=1&url=https://good.example/new&categoryName=ALL', 200],
  ['webhook/add', 'event=1&url=https://good.example/new&categoryName=mallory', 40016],
  ['webhook/list', 'url=https://good.example/held&categoryName=all&event=4', 200],
  ['webhook/list', 'url=nonsense', 40706],
  ['webhook/list', 'event=nonsense', 40704],
  ['webhook/update', 'url=https://good.example/held&categoryName=all&event=4&newUrl=https://good.example/new', 200],
  ['webhook/update', 'url=https://good.example/held&newUrl=https://bad.example/', 40707],
  ['webhook/update', 'url=https://good.example/held&newUrl=nonsense', 40706],
  ['webhook/update', 'url=https://good.example/held&newEvent=nonsense', 40704],
  ['webhook/update', 'url=https://good.example/held&newCategoryName=mallory', 40016],
  ['webhook/update', 'url=https://good.example/held&newCategoryName=alice', 200],
  ['webhook/update', 'url=https://good.example/held&categoryName=alice&newEvent=1', 40709],
  ['webhook/update', 'newUrl=https://good.example/new', 40705],
  ['webhook/update', 'url=https://good.example/other&event=1', 40709],
  ['webhook/update', 'webhookId=2&event=1', 40709],
  ['webhook/update', 'webhookId=1&url=https://bad.example/', 40707],
  ['webhook/update', 'url=https://good.example/held&event=1', 200],
  ['webhook/update', 'webhookId=1&url=https://good.example/new', 200],
  ['webhook/delete', '', 40705],
  ['webhook/delete', 'url=https://good.example/other', 40709],
  ['webhook/delete', 'url=https://good.example/held', 200],
] as const

const SIGN_INS = [
  // parameters                                        code
  ['', 40005],
  ['apiUser=alice', 40005],
  ['apiUser=alice&apiKey=wrong', 40005],
  ['apiUser=operator&apiKey=secret-of-the-operator', 40005],
  ['api_user=alice&api_key=secret-of-alice', 200],
] as const

describe.each(['/api', '/apiv2'])('under %s', (prefix) => {
  test.each(CASES)('%s?%s is %i', async (operation, parameters, code) => {
    const responses = await Promise.all([
      bench.send({ url: `${prefix}/${operation}?${KEY}&${parameters}`, auth: null }),
      bench.send({
        method: 'POST',
        url: `${prefix}/${operation}`,
        body: `${KEY}&${parameters}`,
        auth: null,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    ])
    expect(responses.map((response) => [response.statusCode, response.json().statusCode])).toEqual([
      [200, code],
      [200, code],
    ])
  })

  test.each(SIGN_INS)('sign-in by %j is %i', async (parameters, code) => {
    const { send } = await makeBench()
    expect((await send({ url: `${prefix}/bounce/list?days=1&${parameters}`, auth: null })).json().statusCode).toBe(code)
  })
})

test('a wrong key keeps the same code, however often it is tried', async () => {
  const { send } = await makeBench()
  const codes: unknown[] = []
  for (let n = 0; n < 40; n++)
    codes.push((await send({ url: '/api/bounce/list?days=1&apiUser=alice&apiKey=wrong', auth: null })).json().statusCode)
  expect(new Set(codes)).toEqual(new Set([40005]))
  const basic = `Basic ${Buffer.from('alice:wrong').toString('base64')}`
  expect((await send({ url: '/v1/bounces', auth: basic })).json().code).toBe(30_000)
})

test('every operation requires a key', async () => {
  const responses = await Promise.all(
    (await listSendCloudOperations()).map(
      async (name) => (await bench.send({ url: `/api/${name}?apiUser=alice`, auth: null })).json().statusCode,
    ),
  )
  expect(new Set(responses)).toEqual(new Set([40005]))
})

test('parameters of a multipart form and of the query are merged', async () => {
  const body = `--x\r\nContent-Disposition: form-data; name="apiKey"\r\n\r\nsecret-of-alice\r\n--x--\r\n`
  const response = await bench.send({
    method: 'POST',
    url: '/api/bounce/list?apiUser=alice&days=1',
    body,
    auth: null,
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
  })
  expect(response.json()).toMatchObject({ result: true, statusCode: 200, info: { count: 1 } })
})

test('a JSON body has the same effect', async () => {
  const { send, calls } = await makeBench()
  const body = { apiUser: 'alice', apiKey: 'secret-of-alice', days: 1, aggregate: true }
  const response = await send({ method: 'POST', url: '/api/statday/list', body, auth: null })
  expect([response.json().statusCode, Array.isArray(response.json().info.dataList)]).toEqual([200, false])
  expect(calls.find(({ name }) => name === 'statistics.sumCounters')?.args[1]).toMatchObject({ groupBy: [] })
})

test('emailStatus has SendCloud’s format', async () => {
  const response = await bench.send({ url: `/api/data/emailStatus?${KEY}&days=1`, auth: null })
  expect(response.json()).toEqual({
    result: true,
    statusCode: 200,
    message: 'ok',
    info: {
      total: '1',
      voListSize: 1,
      voList: [
        {
          emailId: 'm1x0$joe@example.com',
          status: 'invalid email',
          apiUser: 'alice',
          recipients: 'joe@example.com',
          requestTime: '2026-11-20 11:59:00',
          modifiedTime: '2026-11-20 12:00:00',
          sendLog: '550 5.1.1 No such user',
          subStatus: 406,
          subStatusDesc: 'Address Does Not Exist',
          softStatus: '',
          event: '',
          receiver: '',
          message: '',
          email: '',
          taskName: '',
          mailingStatus: '',
          timeStr: '',
          name: '',
          phone: '',
        },
      ],
    },
  })
})

test('days are in the time zone of the account', async () => {
  const { send, calls } = await makeBench({
    accounts: { getSettings: () => Promise.resolve({ ...DEFAULT_ACCOUNT_SETTINGS, zone: 'Asia/Shanghai' }) },
  })
  await send({ url: `/api/data/emailStatus?${KEY}&days=1`, auth: null })
  expect(calls.find(({ name }) => name === 'messages.list')?.args[1]).toMatchObject({
    from: Date.UTC(2026, 10, 19, 16),
    until: Date.UTC(2026, 10, 20, 16),
  })
})

test('labelId overrides labelName', async () => {
  const { send, calls } = await makeBench()
  await send({ url: `/api/data/emailStatus?${KEY}&days=1&labelId=7&labelName=news`, auth: null })
  expect(calls.find(({ name }) => name === 'messages.list')?.args[1]).toMatchObject({ labelId: 7, labelName: null })
})

test('the rate limit response is spelled statuscode', async () => {
  const { send } = await makeBench(
    {},
    {
      limits: {
        bodyBytes: 1_000,
        requestsPerMinute: 1,
        recipientsPerRequest: 1,
        attemptsPerRequest: 1,
        classificationsPerRequest: 1,
        emailStatusDays: 3,
      },
    },
  )
  const url = `/api/bounce/list?${KEY}&days=1`
  await send({ url, auth: null })
  expect((await send({ url, auth: null })).json()).toEqual({
    result: false,
    statuscode: 50_000,
    message: 'interface frequency limited',
    info: {},
  })
})

test('an unreachable store gives 501 in an envelope', async () => {
  const { send } = await makeBench({ suppressions: { list: () => Promise.reject(new Fault('store_busy', 'away')) } })
  const response = await send({ url: `/api/bounce/list?${KEY}&days=1`, auth: null })
  expect([response.statusCode, response.json()]).toEqual([200, { result: false, statusCode: 501, message: 'server exception', info: {} }])
})

test('a framework error is in an envelope too', async () => {
  const response = await bench.send({
    method: 'POST',
    url: '/api/bounce/list',
    body: '{',
    auth: null,
    headers: { 'content-type': 'application/json' },
  })
  expect([response.statusCode, response.json().statusCode]).toEqual([200, 501])
})

const DAYS = [
  // day          zone               begins (UTC)
  ['2026-11-20', 'UTC', '2026-11-20T00:00:00.000Z'],
  ['2026-11-20', 'Asia/Shanghai', '2026-11-19T16:00:00.000Z'],
  ['2026-03-29', 'Europe/Berlin', '2026-03-28T23:00:00.000Z'],
  ['2026-03-30', 'Europe/Berlin', '2026-03-29T22:00:00.000Z'],
  ['2026-10-25', 'Europe/Berlin', '2026-10-24T22:00:00.000Z'],
  ['2026-10-26', 'Europe/Berlin', '2026-10-25T23:00:00.000Z'],
  ['2026-11-01', 'America/New_York', '2026-11-01T04:00:00.000Z'],
] as const

test.each(DAYS)('%s in %s begins at %s', (day, zone, begins) => {
  expect(new Date(toDayRange(day, day, zone).from).toISOString()).toBe(begins)
  expect(formatTime(toDayRange(day, day, zone).from, zone)).toBe(`${day} 00:00:00`)
})

const ODD_DAYS = [
  // The clocks change at midnight.  begins (UTC)                on the wall   hours
  ['2026-09-06', 'America/Santiago', '2026-09-06T04:00:00.000Z', '01:00:00', 23],
  ['2026-03-08', 'America/Havana', '2026-03-08T05:00:00.000Z', '01:00:00', 23],
  ['2026-11-01', 'America/Havana', '2026-11-01T04:00:00.000Z', '00:00:00', 25],
  ['2026-03-29', 'Atlantic/Azores', '2026-03-29T01:00:00.000Z', '01:00:00', 23],
  ['2026-10-25', 'Atlantic/Azores', '2026-10-25T00:00:00.000Z', '00:00:00', 25],
  ['2024-10-06', 'America/Asuncion', '2024-10-06T04:00:00.000Z', '01:00:00', 23],
  ['2024-03-23', 'America/Asuncion', '2024-03-23T03:00:00.000Z', '00:00:00', 25],
  ['2024-03-24', 'America/Asuncion', '2024-03-24T04:00:00.000Z', '00:00:00', 24],
  ['2026-04-24', 'Africa/Cairo', '2026-04-23T22:00:00.000Z', '01:00:00', 23],
] as const

test.each(ODD_DAYS)('%s in %s begins at %s, local time %s, and has %i hours', (day, zone, begins, wall, hours) => {
  const { from, until } = toDayRange(day, day, zone)
  expect(new Date(from).toISOString()).toBe(begins)
  expect(formatTime(from, zone)).toBe(`${day} ${wall}`)
  expect((until - from) / 3_600_000).toBe(hours)
  expect(splitIntoDays({ from, until }, zone)).toEqual([{ day, from, until }])
})

test('a day of 23 hours is complete', () => {
  const { from, until } = toDayRange('2026-03-29', '2026-03-29', 'Europe/Berlin')
  expect((until - from) / 3_600_000).toBe(23)
})

test.each([['2026-02-29'], ['2026-13-01'], ['2026-1-1'], [''], ['2026-02-30']])('%j is not a day', (text) =>
  expect(parseDay(text)).toBeNull(),
)

const ZONES = [
  // day          zone               hours  first window of the hour that changes
  ['2026-11-20', 'UTC', 24],
  ['2026-03-29', 'Europe/Berlin', 23],
  ['2026-10-25', 'Europe/Berlin', 24],
  ['2026-11-20', 'Asia/Kathmandu', 24],
  ['2026-10-04', 'Australia/Lord_Howe', 24],
  ['2026-04-05', 'Australia/Lord_Howe', 24],
  ['2026-09-06', 'America/Santiago', 23],
  ['2026-11-01', 'America/Havana', 24],
  ['2024-03-23', 'America/Asuncion', 24],
] as const

test.each(ZONES)('%s in %s has %i hours, without gaps and in order', (day, zone, count) => {
  const span = toDayRange(day, day, zone)
  const hours = splitIntoHours(span, zone)
  expect(hours.length).toBe(count)
  expect(hours.map(({ hour }) => hour)).toEqual(hours.map(({ hour }) => hour).toSorted((a, b) => a - b))
  expect([hours[0]?.from, hours.at(-1)?.until]).toEqual([span.from, span.until])
  expect(hours.every(({ until }, n) => hours[n + 1] === undefined || hours[n + 1]?.from === until)).toBe(true)
  expect(hours.every(({ hour, from }) => Number(formatTime(from, zone).slice(11, 13)) === hour)).toBe(true)
})

test('a period is split into its days, also when the clocks change', () => {
  const days = splitIntoDays(toDayRange('2026-03-27', '2026-03-30', 'Europe/Berlin'), 'Europe/Berlin')
  expect(days.map(({ day, from, until }) => [day, (until - from) / 3_600_000])).toEqual([
    ['2026-03-27', 24],
    ['2026-03-28', 24],
    ['2026-03-29', 23],
    ['2026-03-30', 24],
  ])
})

const TIMES = [
  ['2026-11-20 12:00:00', 'UTC', '2026-11-20T12:00:00.000Z'],
  ['2026-11-20', 'Asia/Shanghai', '2026-11-19T16:00:00.000Z'],
  ['2026-03-29 12:00:00', 'Europe/Berlin', '2026-03-29T10:00:00.000Z'],
  ['2026-11-20 24:00:00', 'UTC', null],
  ['2026-02-30 12:00:00', 'UTC', null],
  ['2026-11-20T12:00:00', 'UTC', null],
  ['', 'UTC', null],
] as const

test.each(TIMES)('%j in %s is %j', (text, zone, want) => {
  const at = parseTime(text, zone)
  expect(at === null ? null : new Date(at).toISOString()).toBe(want)
})

const CHANGES = [
  // parameters beside the URL                                       the change
  ['newUrl=https://good.example/new', { url: 'https://good.example/new' }],
  ['event=4&newEvent=1,5', { events: ['deliver', 'soft_bounce'] }],
  ['newCategoryName=alice', { name: 'alice', apiUsers: ['alice'] }],
  ['newCategoryName=all&newEvent=1', { name: 'all', apiUsers: [], events: ['deliver'] }],
  ['event=1&categoryName=alice', { events: ['deliver'], name: 'alice', apiUsers: ['alice'] }],
] as const
test.each(CHANGES)('webhook/update with %s changes %j', async (parameters, change) => {
  const { send, calls } = await makeBench()
  await send({ url: `/api/webhook/update?${KEY}&url=https://good.example/held&${parameters}`, auth: null })
  const made = calls.find(({ name }) => name === 'webhooks.change')?.args[2]
  expect(made).toMatchObject(change)
})

const WEBHOOK_FILTERS = [
  ['', 1],
  ['url=https://good.example/held', 1],
  ['url=https://good.example/other', 0],
  ['categoryName=all', 1],
  ['categoryName=alice', 0],
  ['event=4', 1],
  ['event=1,4', 0],
] as const
test.each(WEBHOOK_FILTERS)('webhook/list with %j finds %i', async (parameters, count) => {
  const response = await bench.send({ url: `/api/webhook/list?${KEY}&${parameters}`, auth: null })
  expect(response.json().info.count).toBe(count)
})

test('the reason of a list is the text of the provider, and the reasons of unsubscribes are SendCloud’s', async () => {
  const bounces = await bench.send({ url: `/api/bounce/list?${KEY}&days=1`, auth: null })
  expect(bounces.json().info.dataList).toMatchObject([{ reason: '550 5.1.1 No such user' }])
  const unsubscribes = await bench.send({ url: `/api/unsubscribe/list?${KEY}&days=1`, auth: null })
  expect(unsubscribes.json().info.dataList).toMatchObject([{ unsubscribeTypeDesc: "I don't want to receive such mail anymore." }])
})
