/**
 * mail-send.test - EngageLab's /v1/mail/send and send_mime: each field valid, absent, too large and invalid, and what is submitted
 */
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { readEngageLabMail, readEngageLabMime } from '../../../src/http/engagelab/mail-body.ts'
import type { Submission } from '../../../src/service/submit/submit.ts'
import { makeBench, type Bench } from '../bench.ts'

const MAIL = { from: 'News <news@example.com>', to: ['joe@example.net'], body: { subject: 'Hello', content: { html: '<p>Hi</p>' } } }
const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `r${n}@example.net`)
const base64 = (bytes: number): string => Buffer.alloc(bytes, 'x').toString('base64')
const withBody = (over: object): object => ({ ...MAIL, body: { ...MAIL.body, ...over } })
const withSettings = (settings: object): object => withBody({ settings })
const withContent = (content: object): object => withBody({ content })

let bench: Bench
beforeAll(async () => {
  bench = await makeBench(
    {},
    {
      limits: {
        bodyBytes: 100_000,
        requestsPerMinute: 1_000,
        recipientsPerRequest: 3,
        attemptsPerRequest: 3,
        classificationsPerRequest: 3,
        emailStatusDays: 3,
      },
    },
  )
})

const submissions = (): readonly Submission[] => bench.calls.flatMap(({ name, args }) => (name === 'submit' ? [args[1] as Submission] : []))
const send = (body: unknown, url = '/v1/mail/send') => bench.send({ method: 'POST', url, body })

const CASES: readonly (readonly [string, object, number | null])[] = [
  // what                                   body                                                       code; null: sent
  ['a plain mail', MAIL, null],
  ['no from', { ...MAIL, from: undefined }, 30_801],
  ['an empty from', { ...MAIL, from: '' }, 30_801],
  ['from without an address', { ...MAIL, from: 'nobody' }, 30_802],
  ['from with a line break', { ...MAIL, from: 'a@example.com\r\nBcc: b@example.com' }, 30_802],
  ['from that two readers read differently', { ...MAIL, from: 'b@victim.example(<news@example.com>)' }, 30_802],
  ['a foreign sender domain', { ...MAIL, from: 'a@victim.example' }, 30_802],
  ['no to', { ...MAIL, to: undefined }, 30_805],
  ['an empty to', { ...MAIL, to: [] }, 30_805],
  ['a name and an address', { ...MAIL, to: ['Joe<joe@example.net>'] }, null],
  ['to with an invalid address', { ...MAIL, to: ['joe@example.net', 'nobody'] }, 30_806],
  ['to that is a text', { ...MAIL, to: 'joe@example.net' }, 30_806],
  ['a hundred recipients', { ...MAIL, to: many(100) }, null],
  ['101 recipients', { ...MAIL, to: many(101) }, 30_807],
  ['no body', { ...MAIL, body: undefined }, 400],
  ['no subject', withBody({ subject: undefined }), 30_808],
  ['the longest subject', withBody({ subject: 'x'.repeat(256) }), null],
  ['a subject that is too long', withBody({ subject: 'x'.repeat(257) }), 30_809],
  ['a subject of two lines', withBody({ subject: 'a\nBcc: b@example.com' }), 30_809],
  ['no content', withBody({ content: undefined }), 30_870],
  ['empty content', withContent({ html: '', text: '' }), 30_870],
  ['only text', withContent({ text: 'Hi' }), null],
  ['html with NUL', withContent({ html: 'H\0i' }), 30_871],
  ['text with NUL', withContent({ text: 'H\0i' }), 30_831],
  ['html that is a number', withContent({ html: 7 }), 30_871],
  ['a preview', withContent({ html: '<p>Hi</p>', preview_text: 'In short' }), null],
  ['three reply_to', withBody({ reply_to: ['a@example.com', 'B <b@example.com>', 'c@example.com'] }), null],
  ['four reply_to', withBody({ reply_to: many(4) }), 30_879],
  ['reply_to without an address', withBody({ reply_to: ['nobody'] }), 30_879],
  ['cc with an invalid address', withBody({ cc: ['nobody'] }), 30_853],
  ['101 cc', withBody({ cc: many(101) }), 30_854],
  ['bcc with an invalid address', withBody({ bcc: ['nobody'] }), 30_856],
  ['101 bcc', withBody({ bcc: many(101) }), 30_857],
  ['vars', withBody({ vars: { name: ['Joe'], '%sp%': ['x'], n: [7], z: [null] } }), null],
  ['a var of one text', withBody({ vars: { name: 'Joe' } }), null],
  ['vars with too many values', withBody({ vars: { name: ['Joe', 'Ann'] } }), 30_813],
  ['vars that are a list', withBody({ vars: ['x'] }), 30_813],
  ['vars over 1 MB', withBody({ vars: { name: ['x'.repeat(1_048_577)] } }), 30_813],
  ['vars with NUL', withBody({ vars: { name: ['a\0'] } }), 30_813],
  ['dynamic_vars', withBody({ dynamic_vars: [{ name: 'Joe' }] }), 400],
  ['empty dynamic_vars', withBody({ dynamic_vars: [] }), null],
  ['a label by number', withBody({ label_id: 7 }), null],
  ['a label by text', withBody({ label_id: '7', label_name: '' }), null],
  ['no label', withBody({ label_id: 0 }), null],
  ['an unknown label', withBody({ label_id: 8 }), 30_106],
  ['an invalid label', withBody({ label_id: 'x' }), 30_015],
  ['a label by name', withBody({ label_name: 'spring' }), null],
  ['a label name that is too long', withBody({ label_name: 'x'.repeat(129) }), 30_105],
  ['headers', withBody({ headers: { 'User-Define': '123', 'X-N': 7, 'X-Z': null } }), null],
  ['a send time', withBody({ headers: { 'X-Bounced-Send-At': '2026-12-01T09:00:00Z' } }), null],
  ['headers that are ours', withBody({ headers: { Received: 'x' } }), 30_869],
  ['headers over 1 KB', withBody({ headers: { 'X-A': 'x'.repeat(1_020) } }), 30_869],
  ['a header of two lines', withBody({ headers: { 'X-A': 'a\r\nb' } }), 30_869],
  [
    'an attachment',
    withBody({ attachments: [{ content: 'aGk=', filename: 'a.txt', type: 'text/plain', disposition: 'attachment', content_id: '' }] }),
    null,
  ],
  [
    'an inline image',
    withBody({ attachments: [{ content: 'aGk=', filename: 'a.png', disposition: 'inline', content_id: 'image_1' }] }),
    null,
  ],
  [
    'an inline image without content_id',
    withBody({ attachments: [{ content: 'aGk=', filename: 'a.png', disposition: 'inline' }] }),
    30_867,
  ],
  ['a content_id that ends a header', withBody({ attachments: [{ content: 'aGk=', filename: 'a', content_id: 'a>\r\nX: y' }] }), 30_867],
  ['an attachment that is not base64', withBody({ attachments: [{ content: 'not base64!', filename: 'a' }] }), 30_867],
  ['an attachment without a name', withBody({ attachments: [{ content: 'aGk=' }] }), 30_867],
  ['10 MiB of attachments', withBody({ attachments: [{ content: base64(10_485_760), filename: 'a' }] }), null],
  [
    'more than 10 MiB',
    withBody({
      attachments: [
        { content: base64(10_485_760), filename: 'a' },
        { content: 'eA==', filename: 'b' },
      ],
    }),
    30_819,
  ],
  [
    'all settings',
    withSettings({
      send_mode: 0,
      return_email_id: true,
      sandbox: false,
      notification: false,
      open_tracking: true,
      click_tracking: false,
      unsubscribe_tracking: true,
      unsubscribe_page_id: [1, 2],
    }),
    null,
  ],
  ['an address list', withSettings({ send_mode: 2 }), 30_820],
  ['an unknown send_mode', withSettings({ send_mode: 3 }), 400],
  ['return_email_id that is a text', withSettings({ return_email_id: 'yes' }), 30_859],
  ['open_tracking that is a text', withSettings({ open_tracking: 'yes' }), 400],
  ['custom_args', { ...MAIL, custom_args: { order: '7', nested: { a: 1 } } }, null],
  ['empty custom_args', { ...MAIL, custom_args: {}, request_id: '' }, null],
  ['custom_args with a dot', { ...MAIL, custom_args: { 'a.b': 1 } }, 30_893],
  ['custom_args over 1 KB', { ...MAIL, custom_args: { a: 'x'.repeat(1_020) } }, 30_893],
  ['custom_args that are a text', { ...MAIL, custom_args: 'x' }, 30_893],
  ['the longest request_id', { ...MAIL, request_id: 'x'.repeat(128) }, null],
  ['a request_id that is too long', { ...MAIL, request_id: 'x'.repeat(129) }, 400],
  ['a quota that is used up', { ...MAIL, request_id: 'spent' }, 30_913],
]

/** Refused by the submission itself: the field is right. */
const REFUSED_LATER: readonly unknown[] = [30_106, 30_913]

test.each(CASES)('%s', async (_, body, code) => {
  const before = submissions().length
  const response = await send(body)
  const { email_ids: ids, ...rest } = response.json()
  const isSubmitted = code === null || REFUSED_LATER.includes(code) || JSON.stringify(body).includes('victim.example"')
  expect([response.statusCode, rest.code ?? null, submissions().length - before]).toEqual([
    code === null ? 200 : 400,
    code,
    isSubmitted ? 1 : 0,
  ])
  expect(Array.isArray(ids)).toBe(code === null)
  expect(typeof rest.message).toBe(code === null ? 'undefined' : 'string')
})

test('a separate mail shows each recipient only themselves, and has its settings', async () => {
  const body = {
    ...withBody({
      cc: ['c@example.net'],
      content: { html: '<body><p>%name%</p></body>', text: 'Hi', preview_text: 'In short' },
      vars: { name: ['Joe', 'Ann'] },
      label_name: 'news',
      attachments: [{ content: 'aG\nk=', filename: 'a.png', type: 'image/png', disposition: 'inline', content_id: 'image_1' }],
      settings: { notification: true, open_tracking: true, click_tracking: false, unsubscribe_tracking: true },
    }),
    to: ['joe@example.net', 'Ann<ann@example.net>'],
    custom_args: { order: 7 },
    request_id: 'r1',
  }
  expect((await send(body)).json()).toEqual({ email_ids: ['m1x0$joe@example.net', 'm1x1$ann@example.net'], request_id: 'r1' })
  expect(submissions().at(-1)).toMatchObject({
    body: {
      from: 'news@example.com',
      fromName: 'News',
      to: null,
      cc: [],
      html: expect.stringContaining('>In short</div><p>%name%'),
      plain: 'Hi',
      headers: { 'Disposition-Notification-To': 'news@example.com', 'SC-Custom-Args': '{"order":7}' },
      attachments: [{ name: 'a.png', type: 'image/png', content: 'aGk=', cid: 'image_1' }],
      tracking: { open: true, click: false, subscription: true },
    },
    recipients: [
      { recipient: 'joe@example.net', variables: { '%name%': 'Joe' } },
      { recipient: 'ann@example.net', variables: { '%name%': 'Ann' } },
    ],
    label: { name: 'news' },
    requestId: 'r1',
  })
})

test('a broadcast shows to and cc, and never bcc', async () => {
  const mail = withBody({ cc: ['c@example.net'], bcc: ['b@example.net'], vars: { name: ['all'] }, settings: { send_mode: 1 } })
  await send({ ...mail, to: many(2) })
  expect(submissions().at(-1)).toMatchObject({
    body: { to: many(2), cc: ['c@example.net'] },
    recipients: [...many(2), 'c@example.net', 'b@example.net'].map((recipient) => ({ recipient, variables: { '%name%': 'all' } })),
  })
  expect(JSON.stringify(submissions().at(-1)?.body)).not.toContain('b@example.net')
})

test('the sandbox sends nothing, and return_email_id false returns no ids', async () => {
  const before = submissions().length
  expect((await send(withSettings({ sandbox: true }))).json()).toEqual({ email_ids: [], request_id: '' })
  expect(submissions()).toHaveLength(before)
  expect((await send(withSettings({ return_email_id: false }))).json()).toEqual({ request_id: '' })
})

const RAW = 'From: News <news@example.com>\nTo: joe@example.net\nSubject: Hello\n\nHi %name%\n'
const mime = (over: object, body: object = {}): object => ({
  to: ['joe@example.net'],
  body: { content: { raw_message: RAW }, ...body },
  ...over,
})
const MIME_CASES: readonly (readonly [string, object, number | null])[] = [
  ['a MIME mail', mime({}), null],
  ['the same from', mime({ from: 'Desk <news@example.com>' }), null],
  ['another from', mime({ from: 'desk@example.com' }), 30_802],
  ['no to', mime({ to: undefined }), 30_805],
  ['no From in the mail', mime({}, { content: { raw_message: 'Subject: x\n\nHi' } }), 30_802],
  ['no mail', mime({}, { content: {} }), 30_870],
  ['an address list', mime({}, { settings: { send_mode: 2 } }), 30_820],
  ['custom_args', mime({ custom_args: { a: 1 } }), null],
  ['vars', mime({}, { vars: { name: ['Joe'] } }), null],
]
test.each(MIME_CASES)('send_mime: %s', async (_, body, code) => {
  const response = await send(body, '/v1/mail/send_mime')
  expect([response.statusCode, response.json().code ?? null]).toEqual(code === null ? [200, null] : [400, code])
})

test('send_mime keeps the mail and binds its variables', async () => {
  await send(mime({}, { vars: { name: ['Joe'] }, settings: { click_tracking: true } }), '/v1/mail/send_mime')
  const { body, recipients } = submissions().at(-1) ?? {}
  expect(Buffer.from(body?.raw ?? '', 'base64').toString()).toBe(RAW.replaceAll('\n', '\r\n'))
  expect(body?.tracking.click).toBe(true)
  expect(recipients).toEqual([{ recipient: 'joe@example.net', variables: { '%name%': 'Joe' } }])
})

test.each([
  ['/v1/mail/sendtemplate', 30_823, 'templates'],
  ['/v1/mail/sendcalendar', 400, 'calendars'],
] as const)('%s is refused in words', async (url, code, words) => {
  const response = await send(MAIL, url)
  expect([response.statusCode, response.json()]).toEqual([400, { code, message: expect.stringContaining(words) }])
})

test('any JSON is read or refused', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        fc.jsonValue().map((body) => ({ ...MAIL, body })),
        fc.jsonValue().map((vars) => withBody({ vars, settings: vars })),
      ),
      (body) => {
        for (const read of [readEngageLabMail, readEngageLabMime]) {
          const result = read(body)
          expect(result.ok || ('message' in result.refusal && result.refusal.message.length > 0)).toBe(true)
        }
      },
    ),
  )
})
