/**
 * webapi.test - `/webapi`: the old names, parameters and answers, and an error with `errors` for whatever does not exist
 */
import { beforeAll, expect, test } from 'vitest'
import { makeBench, type Bench } from '../bench.ts'

const KEY = 'api_user=alice&api_key=secret-of-alice'
const DAYS = 'start_date=2026-11-18&end_date=2026-11-20'
let bench: Bench
beforeAll(async () => {
  bench = await makeBench()
})

const ask = async (call: string, parameters = '', key = KEY): Promise<Record<string, unknown>> => {
  const answers = await Promise.all([
    bench.send({ url: `/webapi/${call}?${key}&${parameters}`, auth: null }),
    bench.send({
      method: 'POST',
      url: `/webapi/${call}`,
      body: `${key}&${parameters}`,
      auth: null,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
  ])
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200])
  const [got, posted] = answers.map((answer): unknown => answer.json())
  expect(got).toEqual(posted)
  return Object(got)
}

const WORKING = [
  // call                      parameters                                    fields beside message
  [
    'bounces.get.json',
    'days=1&start=0&limit=3',
    { bounces: [{ email: expect.any(String), reason: expect.any(String), create_at: expect.any(String) }] },
  ],
  ['bounces.get.json', 'email=joe@example.com', { bounces: expect.any(Array) }],
  ['bounces.count.json', DAYS, { count: expect.any(Number) }],
  ['bounces.delete.json', 'email=joe@example.com', { del_count: expect.any(Number) }],
  [
    'spamReported.get.json',
    'days=1',
    { bounces: [{ email: expect.any(String), reason: expect.any(String), create_at: expect.any(String) }] },
  ],
  [
    'unsubscribes.get.json',
    'days=1&api_user_list=alice;bob&label_id_list=7',
    {
      unsubscribes: [
        { email: expect.any(String), domain: expect.any(String), labelId: 0, apiUser: expect.any(String), create_at: expect.any(String) },
      ],
    },
  ],
  ['unsubscribes.add.json', 'email=joe@example.com', { unsubscribes: [expect.objectContaining({ domain: 'example.com', labelId: 0 })] }],
  ['unsubscribes.delete.json', DAYS, { del_count: expect.any(Number) }],
  ['stats.get.json', 'days=2&domain_list=example.com;example.net', { stats: expect.any(Array) }],
  ['statsHour.get.json', 'days=2', { stats: expect.any(Array) }],
  ['invalidStat.get.json', DAYS, { stats: expect.any(Array) }],
  ['label.get.json', 'labelId=7', { label: { labelId: 7, labelName: 'news' } }],
  ['label.create.json', 'labelName=spring', { label: { labelId: expect.any(Number), labelName: 'spring' } }],
  ['label.list.json', '', { labelList: [{ labelId: 7, labelName: 'news' }] }],
  ['label.update.json', 'labelId=7&labelName=spring', { updateCount: 1 }],
  ['label.delete.json', 'labelId=7', { deleteCount: 1 }],
  [
    'userinfo.get.json',
    '',
    { userinfo: expect.objectContaining({ quota: 0, usedQuota: 0, userName: expect.any(String), availableBalance: 0 }) },
  ],
  ['domain.list.json', '', { domainList: [] }],
  ['domain.list.json', 'domain_type=0', { domainList: [] }],
  ['apiUser.list.json', '', { apiUserList: { apiUser: expect.arrayContaining(['alice']) } }],
  ['apiUser.list.json', 'api_user_type=1', { apiUserList: { apiUser: [] } }],
  ['BOUNCES.GET.JSON', 'days=1', { bounces: expect.any(Array) }],
  ['mail.send.json', 'from=news@example.com&to=joe@example.net&subject=Hello&html=Hi', {}],
  [
    'mail.send.json',
    'from=news@example.com&to=joe@example.net&subject=Hello&html=Hi&resp_email_id=true',
    { email_id_list: ['m1x0$joe@example.net'] },
  ],
] as const

test.each(WORKING)('%s?%s', async (call, parameters, fields) => {
  expect(await ask(call, parameters)).toEqual({ message: 'success', ...fields })
})

test('statistics have their old names, and counts of a sum are texts', async () => {
  const { stats } = await ask('stats.get.json', 'days=1&aggregate=1')
  expect(stats).toMatchObject({
    request: expect.any(String),
    uniqueOpensNum: expect.any(String),
    invalidEmails_percent: expect.any(Number),
  })
  expect(stats).not.toHaveProperty('requestNum')
})

const REFUSED = [
  // call                      parameters                       the error says
  ['bounces.get.json', '', 'days'],
  ['bounces.get.json', 'email=nobody', 'email'],
  ['label.get.json', 'labelId=8', 'label not found'],
  ['mail.send.json', 'from=news@example.com&to=all@maillist.example&subject=x&html=x&use_maillist=true', 'use_maillist'],
  ['mail.send_template.json', '', 'templates'],
  ['template.get.json', '', 'templates'],
  ['template.add.json', '', 'templates'],
  ['list.create.json', '', 'address lists'],
  ['list_member.add.json', '', 'address lists'],
  ['mail.send.xml', '', 'JSON'],
  ['bounces.get.xml', 'days=1', 'JSON'],
  ['queueStatus.get.xml', '', 'JSON'],
  ['list.get.xml', '', 'address lists'],
  ['mail.send', '', 'JSON'],
  ['bounces.add.json', 'email=joe@example.com', 'bounce list'],
  ['apiUser.add.json', '', 'API users'],
  ['stats.get_categories.json', '', 'no operation'],
  ['constructor.json', '', 'no operation'],
  ['__proto__', '', 'no operation'],
  ['', '', 'no operation'],
  ['deep/er/path.json', '', 'no operation'],
] as const

test.each(REFUSED)('%s?%s is refused in words', async (call, parameters, words) => {
  const answer = await ask(call, parameters)
  expect(answer).toEqual({ message: 'error', errors: [expect.stringContaining(words)] })
})

test('a wrong key is an error', async () => {
  expect(await ask('bounces.get.json', 'days=1', 'api_user=alice&api_key=x')).toEqual({
    message: 'error',
    errors: ['authentication failed'],
  })
})

test('over the limit of requests the answer has errors too', async () => {
  const { send } = await makeBench(
    {},
    {
      limits: {
        bodyBytes: 100_000,
        requestsPerMinute: 1,
        recipientsPerRequest: 3,
        attemptsPerRequest: 3,
        classificationsPerRequest: 3,
        emailStatusDays: 3,
      },
    },
  )
  for (const call of ['bounces.get.json', 'queueStatus.get.json']) {
    await send({ url: `/webapi/${call}?${KEY}&days=1`, auth: null })
    expect((await send({ url: `/webapi/${call}?${KEY}&days=1`, auth: null })).json()).toMatchObject({
      statuscode: 50_000,
      message: 'error',
      errors: ['interface frequency limited'],
    })
  }
})

const CHANGING = [
  '/api/mail/send',
  '/apiv2/unsubscribe/add',
  '/api/nothing',
  '/webapi/mail.send.json',
  '/webapi/unsubscribes.add.json',
  '/webapi/queueStatus.get.json',
]
test.each(CHANGING)('HEAD %s changes nothing', async (path) => {
  const { server, calls } = await makeBench()
  const url = `${path}?${KEY}&from=news@example.com&to=joe@example.net&subject=x&html=x&email=joe@example.net`
  const answer = await server.inject({ method: 'HEAD', url })
  expect([answer.statusCode, answer.body, calls]).toEqual([200, '', []])
})

const UNSUPPORTED = [
  ['/api/mail/sendtemplate', 'templates'],
  ['/apiv2/mail/sendcalendar', 'calendars'],
  ['/api/template/list', 'templates'],
  ['/apiv2/addresslist/add', 'address lists'],
  ['/apiv2/addressmember/list', 'address lists'],
  ['/smsapi/send', 'text messages'],
  ['/api/nothing/list', 'no operation'],
] as const
test.each(UNSUPPORTED)('%s is refused in words', async (path, words) => {
  const answer = await bench.send({ url: `${path}?${KEY}`, auth: null })
  expect(answer.statusCode).toBe(200)
  expect(answer.json()).toEqual({ result: false, statusCode: 501, message: expect.stringContaining(words), info: {} })
})
