/**
 * client-calls.test - the calls of published clients against a daemon: each works, or is refused in the words of the table
 *
 * Then what clients rely on beyond one call: both prefixes and methods give the same answer, pages have no gaps, days follow the zone of the account.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { CLIENT_CALLS, type ClientCall } from './support/client-calls.ts'
import { API_KEY, API_USER, startDaemon, type Daemon } from './support/daemon.ts'

/** Fields of a multipart form that are files; the value is the name of the file. */
const FILE_FIELDS = /^(?:attachments|files)/

const BASIC = `Basic ${Buffer.from(`${API_USER}:${API_KEY}`).toString('base64')}`

const credentialsOf = (path: string): Readonly<Record<string, string>> =>
  path.startsWith('/webapi/')
    ? { api_user: API_USER, api_key: API_KEY }
    : path.startsWith('/api')
      ? { apiUser: API_USER, apiKey: API_KEY }
      : {}

function toRequest({ path, encoding, fields }: Pick<ClientCall, 'path' | 'encoding' | 'fields'>): readonly [string, RequestInit] {
  const values = Object.entries({ ...credentialsOf(path), ...fields }).map(([name, value]) => [name, String(value)] as const)
  const query = new URLSearchParams(values.map(([name, value]) => [name, value]))
  if (encoding === 'query') return [`${path}?${query.toString()}`, {}]
  if (encoding === 'form') return [path, { method: 'POST', body: query }]
  if (encoding === 'json')
    return [
      path,
      {
        method: 'POST',
        body: JSON.stringify(fields),
        headers: { authorization: BASIC, 'content-type': 'application/json; charset=utf-8' },
      },
    ]
  const form = new FormData()
  for (const [name, value] of values) {
    if (FILE_FIELDS.test(name)) form.append(name, new Blob(['content']), value)
    else form.append(name, value)
  }
  return [path, { method: 'POST', body: form }]
}

const envelope = z.object({ result: z.boolean(), statusCode: z.int(), message: z.string(), info: z.looseObject({}) })
const legacy = z.looseObject({ message: z.enum(['success', 'error']), errors: z.array(z.string()).min(1).optional() })
const mailResponse = z.union([
  z.object({ code: z.int(), message: z.string() }),
  z.object({ email_ids: z.array(z.string()).optional(), request_id: z.string() }),
])

/** Stands for an answer without an error. */
const WORKS = 'works'

/** What a client that knows only its own API takes from an answer: null for success, otherwise the words of the error. */
function errorOf(path: string, status: number, answer: unknown): string | null {
  if (path.startsWith('/v1/')) {
    const parsed = mailResponse.parse(answer)
    return 'code' in parsed ? `${status === 400 ? '' : `status ${status}: `}${parsed.message}` : null
  }
  if (status !== 200) return `status ${status}`
  if (path.startsWith('/webapi/')) {
    const { message, errors } = legacy.parse(answer)
    return message === 'success' ? null : (errors ?? ['no errors']).join()
  }
  const { result, message } = envelope.parse(answer)
  return result ? null : message
}

describe('published clients', () => {
  let daemon: Daemon

  async function ask(request: readonly [string, RequestInit]): Promise<{ readonly status: number; readonly answer: unknown }> {
    const response = await fetch(`http://127.0.0.1:${daemon.httpPort}${request[0]}`, request[1])
    return { status: response.status, answer: await response.json() }
  }
  const askEnvelope = async (path: string, fields: object, encoding: 'query' | 'form' = 'query') =>
    envelope.parse((await ask(toRequest({ path, encoding, fields: { ...fields } }))).answer)

  beforeAll(async () => {
    daemon = await startDaemon()
    // Label 1 is the one that rows about labels name.
    await askEnvelope('/api/label/add', { labelName: 'first' })
  })
  afterAll(async () => {
    await daemon.stop()
  })

  const calls = CLIENT_CALLS.map((call) => [call.client, call.call, call] as const)
  test.each(calls)('%s: %s', async (_client, _call, call) => {
    const { status, answer } = await ask(toRequest(call))
    expect(errorOf(call.path, status, answer) ?? WORKS).toContain(call.refusal ?? WORKS)
  })

  test('no call of a refused kind mailed anybody at an address list', async () => {
    const { info } = await askEnvelope('/api/data/emailStatus', { days: 1, email: 'all@maillist.example' })
    expect(info['total']).toBe('0')
  })

  /** Reads of statistics, lists and states, which must not depend on prefix or method. */
  const READS = [
    ['data/emailStatus', { days: 1, limit: 5 }],
    ['bounce/list', { days: 30 }],
    ['bounce/count', { days: 30 }],
    ['complaint/list', { days: 30 }],
    ['unsubscribe/list', { days: 30 }],
    ['statday/list', { days: 2 }],
    ['statday/list', { days: 2, aggregate: 1 }],
    ['stathour/list', { days: 2 }],
    ['invalidstat/list', { days: 2 }],
    ['openandclick/list', { days: 2 }],
    ['label/list', {}],
    ['userinfo/get', {}],
    ['webhook/list', {}],
  ] as const
  test.each(READS)('%s is the same under both prefixes, by GET and by POST', async (operation, fields) => {
    const first = await askEnvelope(`/api/${operation}`, fields)
    expect(first.statusCode).toBe(200)
    const others = [
      await askEnvelope(`/apiv2/${operation}`, fields),
      await askEnvelope(`/api/${operation}`, fields, 'form'),
      await askEnvelope(`/apiv2/${operation}`, fields, 'form'),
    ]
    expect(others).toEqual([first, first, first])
  })

  test('192 rows by pages of 37 are each there once', async () => {
    const addresses = Array.from({ length: 192 }, (_, n) => `page${n}@pages.example`)
    for (let from = 0; from < addresses.length; from += 96) {
      const email = addresses.slice(from, from + 96).join(';')
      expect((await askEnvelope('/api/block/add', { email }, 'form')).info['addSuccessCount']).toBe(96)
    }
    const rows = z.array(z.object({ email: z.string() }))
    const seen: string[] = []
    for (let start = 0; start < 222; start += 37) {
      const { info } = await askEnvelope('/api/block/list', { days: 1, start, limit: 37 })
      seen.push(...rows.parse(info['dataList']).map(({ email }) => email))
    }
    expect(seen.toSorted()).toEqual(addresses.toSorted())
  })

  test('192 statuses by pages of 37 are each there once', async () => {
    const addresses = Array.from({ length: 192 }, (_, n) => `status${n}@statuses.example`)
    for (let from = 0; from < addresses.length; from += 96) {
      const mail = { from: 'news@example.com', subject: 'Hello', plain: 'x', labelName: 'pages' }
      const to = addresses.slice(from, from + 96).join(';')
      expect((await askEnvelope('/api/mail/send', { ...mail, to }, 'form')).statusCode).toBe(200)
    }
    const rows = z.array(z.object({ recipients: z.string() }))
    const seen: string[] = []
    for (let start = 0; start < 222; start += 37) {
      const { info } = await askEnvelope('/apiv2/data/emailStatus', { days: 1, labelName: 'pages', start, limit: 37 })
      expect(info['total']).toBe('192')
      seen.push(...rows.parse(info['voList']).map(({ recipients }) => recipients))
    }
    expect(seen.toSorted()).toEqual(addresses.toSorted())
  })

  test('times and days are those of Asia/Shanghai after the account is set to it', async () => {
    const zoned = await daemon.api('PATCH', '/v1/account/settings', { zone: 'Asia/Shanghai' }, BASIC)
    expect(zoned.status).toBe(200)
    const { info } = await askEnvelope('/api/data/emailStatus', { days: 1, limit: 1 })
    const [row] = z.array(z.object({ requestTime: z.string() })).parse(info['voList'])
    const shown = Temporal.PlainDateTime.from((row?.requestTime ?? '').replace(' ', 'T')).toZonedDateTime('Asia/Shanghai').epochMilliseconds
    expect(Math.abs(Date.now() - shown)).toBeLessThan(3_600_000)
    const labels = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1/labels`, { headers: { authorization: BASIC } })
    expect(JSON.stringify(await labels.json())).toContain('+0800')
  })
})
