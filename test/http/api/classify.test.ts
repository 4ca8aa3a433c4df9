/** classify.test - POST /v1/classify: the answers of `bounced explain --ndjson`, one by one and many at once, with errors of their own */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { BASIC, makeBench, OPERATOR } from '../bench.ts'

const ROOT = join(import.meta.dirname, '../../..')
const FIXTURES = join(ROOT, 'fixtures/mails')
const LIMITS = {
  bodyBytes: 8_000_000,
  requestsPerMinute: 10_000,
  recipientsPerRequest: 3,
  attemptsPerRequest: 3,
  classificationsPerRequest: 1_000,
  emailStatusDays: 3,
}

const { send } = await makeBench({}, { limits: LIMITS })
const classify = async (body: object, auth: string | null = OPERATOR): Promise<{ readonly status: number; readonly body: unknown }> => {
  const response = await send({ method: 'POST', url: '/v1/classify', body, auth })
  return { status: response.statusCode, body: response.json() }
}

test('every fixture gets the answer of the command', async () => {
  const names = readdirSync(FIXTURES)
    .filter((name) => name.endsWith('.eml'))
    .toSorted()
  const printed = execFileSync(
    process.execPath,
    ['src/cli.ts', 'explain', '--ndjson', ...names.map((name) => join(FIXTURES, name))],
    // Settings of this shell do not count.
    { cwd: ROOT, encoding: 'utf8', env: { PATH: process.env['PATH'] }, maxBuffer: 64 * 1024 * 1024 },
  )
  const wanted = printed
    .trim()
    .split('\n')
    .map((line) => {
      const { file: id, ...classification } = JSON.parse(line)
      return { id, ...classification }
    })
  const found: unknown[] = []
  // The limit is for one request.
  for (let from = 0; from < wanted.length; from += 100) {
    const items = wanted.slice(from, from + 100).map(({ id }) => ({ id, mailBase64: readFileSync(join(FIXTURES, id)).toString('base64') }))
    const { body } = await classify({ items })
    found.push(...Object(body).items)
  }
  expect(found.length).toBeGreaterThan(100)
  expect(found).toEqual(wanted)
})

const REPLIES = [
  // the reply                                         action       status   from       reason         permanence
  ['550 5.1.1 No such user here', 'failed', '5.1.1', 'reply', 'not-exist', 'permanent'],
  ['550 No such user here', 'failed', '5.1.1', 'verdict', 'not-exist', 'permanent'],
  ['452 4.2.2 Mailbox full', 'delayed', '4.2.2', 'reply', 'mailbox-full', 'temporary'],
  ['250 2.0.0 OK', 'delivered', '2.0.0', 'reply', null, null],
  ['No such user here', 'failed', '5.1.1', 'verdict', 'not-exist', 'permanent'],
] as const

test.each(REPLIES)('the reply %s', async (reply, action, status, statusFrom, reason, permanence) => {
  const { body } = await classify({ reply, recipient: 'joe@example.com' })
  const recipient = { recipient: 'joe@example.com', action, status, statusFrom, reason, permanence }
  expect(body).toMatchObject({ kind: 'reply', format: 'smtp', recipients: [recipient] })
})

test('the host that sent a reply tells the provider', async () => {
  const reply = '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints'
  const { body } = await classify({ reply, mx: 'mta5.am0.yahoodns.net' })
  expect(body).toMatchObject({ recipients: [{ rule: expect.stringContaining('yahoo') }] })
})

const WRONG = [
  ['nothing', {}],
  ['two sources', { reply: 'x', mail: 'y' }],
  ['no text', { reply: '' }],
  ['items inside', { items: [{ reply: '250 OK' }], reply: '250 OK' }],
  ['a long reply', { reply: 'x'.repeat(5_000) }],
  ['an unknown field', { reply: 'x', extra: 1 }],
  ['no base64', { mailBase64: '%%%' }],
  ['no object', 7],
  ['null', null],
] as const

test.each(WRONG)('%s is refused alone', async (_, item) => {
  expect((await classify(Object(item))).status).toBe(400)
})

test.each(WRONG)('%s is an error of its own among many', async (_, item) => {
  const { status, body } = await classify({ items: [{ id: 'a', reply: '550 5.1.1 No such user' }, item, { reply: '250 OK' }] })
  const good = { kind: 'reply' }
  const error = { code: 'bad_request', detail: expect.any(String) }
  expect({ status, body }).toMatchObject({ status: 200, body: { items: [{ id: 'a', ...good }, { error }, good] } })
})

test('an error among many keeps the id of its item', async () => {
  expect((await classify({ items: [{ id: 'mine', reply: '' }] })).body).toMatchObject({
    items: [{ id: 'mine', error: { detail: expect.stringContaining('reply') } }],
  })
})

test('too many items name the limit', async () => {
  const { status, body } = await classify({ items: Array.from({ length: 1_001 }, () => ({ reply: '250 OK' })) })
  expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining('limits.classificationsPerRequest')])
})

const HOSTILE = [
  ['NUL bytes', '\0'.repeat(1_000)],
  ['an endless header', `Subject: ${'x'.repeat(900_000)}`],
  ['nested parts', 'Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n'.repeat(9_000)],
] as const

test.each(HOSTILE)('a mail of %s is classified', async (_, mail) => {
  expect(await classify({ mail })).toMatchObject({ status: 200, body: { kind: expect.any(String), recipients: expect.any(Array) } })
})

test('an account may ask, a stranger may not', async () => {
  expect((await classify({ reply: '250 OK' }, BASIC)).status).toBe(200)
  expect((await classify({ reply: '250 OK' }, null)).status).toBe(401)
})
