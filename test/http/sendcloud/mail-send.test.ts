/**
 * mail-send.test - mail/send: valid, empty, longest and invalid values of each parameter, as form, multipart form and JSON
 */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Submission } from '../../../src/service/submit/submit.ts'
import { makeBench, type Bench } from '../bench.ts'

const KEY = { apiUser: 'alice', apiKey: 'secret-of-alice' }
const MAIL = { from: 'news@example.com', to: 'joe@example.net', subject: 'Hello', plain: 'Hi' }
const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `r${n}@example.net`)
const api = (value: object): string => JSON.stringify(value)

let bench: Bench
beforeEach(async () => {
  bench = await makeBench()
})

const submitted = (): Submission | undefined => bench.calls.find(({ name }) => name === 'submit')?.args[1] as Submission | undefined

const CASES = [
  // what is sent beside a good mail                          code
  [{}, 200],
  [{ from: '' }, 40801],
  [{ from: undefined }, 40801],
  [{ from: 'nobody' }, 40802],
  [{ from: 'a@example.com\r\nBcc: b@example.com' }, 40802],
  [{ from: '"News, daily" <news@example.com>' }, 200],
  [{ from: 'b@victim.example(<news@example.com>)' }, 40802],
  [{ from: 'list: b@victim.example;' }, 40802],
  [{ from: '"b@victim.example"@example.com' }, 40802],
  [{ from: 'news@example.com\u0000' }, 40802],
  [{ fromName: '=?utf-7?q?b+AEA-victim.example?=' }, 40804],
  [{ fromName: 'News\nX: y' }, 40804],
  [{ fromName: 'Neuigkeiten für Sie' }, 200],
  [{ to: '' }, 40805],
  [{ to: undefined }, 40805],
  [{ to: ';;' }, 40806],
  [{ to: 'a@example.net\r\nx' }, 40806],
  [{ to: 'x'.repeat(321) }, 40806],
  [{ to: 'nobody' }, 40806],
  [{ to: 'joe@example.net;nobody' }, 40806],
  [{ to: many(100).join(';') }, 200],
  [{ to: many(101).join(';') }, 40807],
  [{ to: many(99).join(';'), cc: 'c@example.net', bcc: 'b@example.net' }, 40807],
  [{ to: many(98).join(';'), cc: 'c@example.net', bcc: 'b@example.net' }, 200],
  [{ cc: ';' }, 40853],
  [{ cc: 'Words' }, 40853],
  [{ bcc: 'b\n@example.net' }, 40856],
  [{ subject: '' }, 40808],
  [{ subject: undefined }, 40808],
  [{ subject: 'Hello\r\nBcc: b@example.com' }, 40809],
  [{ subject: 'x'.repeat(998) }, 200],
  [{ subject: 'x'.repeat(999) }, 40809],
  [{ plain: '' }, 40870],
  [{ plain: undefined, html: '' }, 40870],
  [{ plain: undefined, html: '<p>Hi</p>' }, 200],
  [{ replyTo: 'a@example.com;b@example.com;c@example.com' }, 200],
  [{ replyTo: 'a@example.com;b@example.com;c@example.com;d@example.com' }, 40879],
  [{ replyTo: 'nobody' }, 40879],
  [{ labelId: '' }, 40014],
  [{ labelId: 'x' }, 40015],
  [{ labelId: '8' }, 40015],
  [{ labelId: '7' }, 200],
  [{ labelId: '0' }, 200],
  [{ labelName: 'news' }, 200],
  [{ labelName: 'x'.repeat(129) }, 40015],
  [{ headers: '{"SC-Custom-Id":"7"}' }, 200],
  [{ headers: '{"X-Bounced-Send-At":"2026-12-01T09:00:00Z"}' }, 200],
  [{ headers: 'x' }, 40869],
  [{ headers: '{"X":"a\\r\\nb"}' }, 40869],
  [{ headers: '{"X Y":"a"}' }, 40869],
  [{ headers: '{"X":{}}' }, 40869],
  [{ headers: '{"X":null,"Y":7,"Z":true}' }, 200],
  [{ sendRequestId: 'x'.repeat(128) }, 200],
  [{ sendRequestId: 'x'.repeat(129) }, 501],
  [{ sendRequestId: 'spent' }, 40913],
  [{ from: 'a@victim.example' }, 40802],
  [{ respEmailId: 'false' }, 200],
  [{ respEmailId: 'perhaps' }, 40859],
  [{ html: '<p>H\0i</p>' }, 40871],
  [{ plain: 'H\0i' }, 40831],
  [{ useAddressList: 'true' }, 40820],
  [{ useAddressList: 'TRUE', to: 'all@maillist.example' }, 40820],
  [{ use_maillist: '1' }, 40820],
  [{ useAddressList: 'yes' }, 40874],
  [{ useAddressList: 'false', use_maillist: 'false' }, 200],
  [{ useAddressList: 'false', use_maillist: 'true' }, 40820],
  [{ useAddressList: 'true', from: '' }, 40820],
  [{ gzipCompress: 'true' }, 40861],
  [{ gzipCompress: 'false' }, 200],
  [{ useNotification: 'true' }, 200],
  [{ useNotification: 'perhaps' }, 40829],
  [{ dispositionNotificationTo: 'nobody' }, 40829],
  [{ contentSummary: 'In short' }, 200],
  [{ contentSummary: 'In\nshort' }, 501],
  [{ xsmtpapi: api({ sub: { '%n%': ['A\0nn'] } }) }, 40813],
  [{ xsmtpapi: api({ sub: { '%n%': [null] }, pubsub: { '%p%': 7 }, section: { s: null } }) }, 200],
  [{ xsmtpapi: 'x' }, 40813],
  [{ xsmtpapi: '{"to":[]}' }, 40813],
  [{ xsmtpapi: api({ to: many(101) }) }, 40807],
  [{ xsmtpapi: api({ to: many(100) }), to: undefined }, 200],
  [{ xsmtpapi: api({ to: many(2), sub: { '%n%': ['Ann'] } }) }, 40813],
  [{ xsmtpapi: api({ sub: { '%n%': ['Ann', 'Bob'] } }) }, 40813],
  [{ xsmtpapi: api({ sub: { '%n%': ['Ann'] } }) }, 200],
  [{ apiKey: 'wrong' }, 40005],
  [{ apiUser: undefined }, 40005],
  // The first row that fails responses.
  [{ from: '', to: '', subject: '', plain: '' }, 40801],
  [{ to: '', subject: '', plain: '' }, 40805],
  [{ subject: '', plain: '', replyTo: 'nobody' }, 40808],
] as const

const given = (over: object): Record<string, string> =>
  Object.fromEntries(Object.entries({ ...KEY, ...MAIL, ...over }).filter(([, value]) => value !== undefined))

const multipart = (fields: Record<string, string>, files: readonly { name: string; type: string; bytes: Buffer }[] = []): Buffer =>
  Buffer.concat([
    ...Object.entries(fields).map(([name, value]) =>
      Buffer.from(`--edge\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
    ),
    ...files.flatMap(({ name, type, bytes }) => [
      Buffer.from(`--edge\r\nContent-Disposition: form-data; name="attachments"; filename="${name}"\r\nContent-Type: ${type}\r\n\r\n`),
      bytes,
      Buffer.from('\r\n'),
    ]),
    Buffer.from('--edge--\r\n'),
  ])

const post = async (body: unknown, type: string, url = '/api/mail/send') =>
  (await bench.send({ method: 'POST', url, body, auth: null, headers: { 'content-type': type } })).json()

const WAYS = [
  ['form', (fields: Record<string, string>) => post(new URLSearchParams(fields).toString(), 'application/x-www-form-urlencoded')],
  ['multipart', (fields: Record<string, string>) => post(multipart(fields), 'multipart/form-data; boundary=edge')],
  ['JSON', (fields: Record<string, string>) => post(JSON.stringify(fields), 'application/json')],
  [
    'query',
    async (fields: Record<string, string>) =>
      (await bench.send({ url: `/apiv2/mail/send?${new URLSearchParams(fields).toString()}`, auth: null })).json(),
  ],
] as const

describe.each(WAYS)('by %s', (_, ask) => {
  test.each(CASES)('%j is %i', async (over, code) => {
    const response = await ask(given(over))
    expect([response.statusCode, response.result]).toEqual([code, code === 200])
  })
})

test('a request becomes a submission', async () => {
  const response = await WAYS[0][1](
    given({
      from: '"News" <News@Example.com>',
      to: 'Joe <joe@example.net>;ann@example.net',
      cc: 'c@example.net',
      bcc: 'b@example.net',
      html: ' <p>Hi</p>',
      headers: '{"SC-Custom-Id":7,"Bcc":"x@example.net","Message-ID":"<own@example.com>","content-type":"text/evil"}',
      labelName: 'news',
      sendRequestId: 'r1',
      replyTo: 'desk@example.com',
    }),
  )
  expect(response.info).toEqual({
    emailIdList: ['joe@example.net', 'ann@example.net', 'c@example.net', 'b@example.net'].map((each, n) => `m1x${n}$${each}`),
  })
  expect(submitted()).toEqual({
    body: {
      from: 'News@example.com',
      fromName: 'News',
      replyTo: ['desk@example.com'],
      to: ['joe@example.net', 'ann@example.net'],
      cc: ['c@example.net'],
      subject: 'Hello',
      html: ' <p>Hi</p>',
      plain: 'Hi',
      headers: { 'SC-Custom-Id': '7' },
      attachments: [],
      sections: {},
      raw: null,
      messageId: 'own@example.com',
      emailType: 'trigger',
      tracking: { open: null, click: null, subscription: null },
    },
    originatorDomains: ['example.com'],
    recipients: ['joe@example.net', 'ann@example.net', 'c@example.net', 'b@example.net'].map((recipient) => ({ recipient, variables: {} })),
    label: { name: 'news' },
    userHeaders: { 'SC-Custom-Id': '7', 'Message-ID': '<own@example.com>' },
    requestId: 'r1',
  })
})

test('an error of useAddressList names the parameter and mails nobody', async () => {
  const response = await WAYS[0][1](given({ useAddressList: 'true' }))
  expect(response.message).toContain('useAddressList')
  expect(submitted()).toBe(undefined)
})

test('a read receipt is asked for once, and the summary stands at the start of the body', async () => {
  const html = '<html><body class="x"><p>Hi</p></body></html>'
  await WAYS[0][1](given({ useNotification: 'true', contentSummary: 'A < B', html }))
  expect(submitted()?.body).toMatchObject({
    headers: { 'Disposition-Notification-To': 'news@example.com' },
    html: expect.stringMatching(/<body class="x"><div style="display:none[^>]*>A &lt; B<\/div><p>Hi/),
  })
})

test('a Disposition-Notification-To in headers counts', async () => {
  await WAYS[0][1](given({ useNotification: 'true', headers: '{"disposition-notification-to":"desk@example.com"}' }))
  expect(submitted()?.body.headers).toEqual({ 'disposition-notification-to': 'desk@example.com' })
})

test('an invalid sendRequestId is named in the message', async () => {
  expect((await WAYS[0][1](given({ sendRequestId: 'x'.repeat(129) }))).message).toBe('sendRequestId is invalid')
})

test('recipients of xsmtpapi.to see only themselves; to, cc and bcc are ignored', async () => {
  const xsmtpapi = api({
    to: many(2),
    sub: { '%n%': ['Ann', 'Bob'] },
    section: { '%s%': 'x' },
    filters: { open_tracking: { settings: { enable: '1' } } },
  })
  await WAYS[0][1](given({ xsmtpapi, cc: 'c@example.net', respEmailId: 'false' }))
  expect(submitted()?.body).toMatchObject({ to: null, cc: [], sections: { '%s%': 'x' }, tracking: { open: true } })
  expect(submitted()?.recipients).toEqual([
    { recipient: 'r0@example.net', variables: { '%n%': 'Ann' } },
    { recipient: 'r1@example.net', variables: { '%n%': 'Bob' } },
  ])
})

test('respEmailId=false omits the ids', async () => {
  expect((await WAYS[0][1](given({ respEmailId: 'false' }))).info).toEqual({})
})

test('JSON may contain lists, objects and booleans', async () => {
  const body = {
    ...KEY,
    ...MAIL,
    to: ['a@example.net', 'b@example.net'],
    headers: { 'SC-Custom-Id': 7 },
    xsmtpapi: { section: { '%s%': 'x' } },
    respEmailId: false,
  }
  expect(await post(JSON.stringify(body), 'application/json')).toMatchObject({ statusCode: 200, info: {} })
  expect(submitted()).toMatchObject({
    recipients: [{ recipient: 'a@example.net' }, { recipient: 'b@example.net' }],
    userHeaders: { 'SC-Custom-Id': '7' },
  })
})

test('files are attached unchanged', async () => {
  const bytes = Buffer.from([0, 255, 13, 10, 45, 45, 10])
  await post(multipart(given({}), [{ name: 'Rechnung ü.pdf', type: 'application/pdf', bytes }]), 'multipart/form-data; boundary=edge')
  expect(submitted()?.body.attachments).toEqual([
    { name: 'Rechnung ü.pdf', type: 'application/pdf', content: bytes.toString('base64'), cid: null },
  ])
})

const MIB = 1024 * 1024
const SIZES = [
  // octets in each file     code
  [[10 * MIB], 200],
  [[10 * MIB, 1], 40819],
  [[5 * MIB, 5 * MIB + 1], 40819],
  [[30 * MIB], 40819],
] as const

test.each(SIZES)('files of %j are %i', async (sizes, code) => {
  const files = sizes.map((size) => ({ name: 'x.bin', type: 'application/octet-stream', bytes: Buffer.alloc(size, 120) }))
  expect((await post(multipart(given({}), files), 'multipart/form-data; boundary=edge')).statusCode).toBe(code)
})

test('a long text is not truncated', async () => {
  const html = 'x'.repeat(3 * MIB)
  expect((await WAYS[0][1](given({ html }))).statusCode).toBe(200)
  expect(submitted()?.body.html?.length).toBe(html.length)
})

test('a body that does not match its content type gives 501 in an envelope', async () => {
  expect((await post('{', 'application/json')).statusCode).toBe(501)
  expect((await post('no parts', 'multipart/form-data; boundary=edge')).statusCode).toBe(501)
  expect((await post(JSON.stringify(['x']), 'application/json')).statusCode).toBe(40005)
})
