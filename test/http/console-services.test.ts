/**
 * console-services.test - counts, status, list look-ups and reports of the console on a real store of each engine
 */
import { beforeAll, describe, expect, test } from 'vitest'
import type { HttpServices } from '../../src/http/services/http-services.ts'
import { toMailView } from '../../src/http/services/message-reports.ts'
import { engines } from '../support/engines.ts'
import { makeContext, type Clock } from '../support/context.ts'
import { makeServices } from '../support/services.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const HOUR = 3_600_000
const ANN = { account: 1, apiUser: 'ann', ip: '192.0.2.1' }
const BOB = { account: 2, apiUser: 'bob', ip: '192.0.2.2' }
const MAIL = { from: 'news@example.com', subject: 'Hello', label: 'news', broadcast: null, emailType: 'batch', headers: {} } as const
const REFUSED = { text: '5.1.1 No such user', error: null, mx: null, egressIp: null, attempt: 1, final: null, at: null, code: 550 }

describe.each(engines)('$kind', ({ open }) => {
  const clock: Clock = { now: T0 }
  let services: HttpServices
  let refused: string
  beforeAll(async () => {
    const { engine } = await open()
    services = makeServices(await makeContext(engine, clock, [{}, {}]))
    const recipients = ['a@example.org', 'b@example.org', 'c@example.net'].map((recipient) => ({ recipient, contactTypes: null }))
    const made = await services.register(ANN, { ...MAIL, recipients })
    await services.register(BOB, { ...MAIL, recipients: recipients.slice(0, 1) })
    refused = made.recipients[0]?.emailId ?? ''
    await services.reportAttempts(ANN, [{ emailId: refused, ...REFUSED }])
  })

  const windows = [
    { from: T0 - HOUR, to: T0 },
    { from: T0, to: T0 + HOUR },
  ]
  const counts = [
    // account, requests, invalid
    [1, [0, 3], [0, 1]],
    [2, [0, 1], [0, 0]],
    [null, [0, 4], [0, 1]],
  ] as const
  test.each(counts)('the counts of account %j by window', async (account, requests, invalid) => {
    const sums = await services.overview.sumWindows(account, windows)
    expect(sums.map((each) => each.get('request') ?? 0)).toEqual(requests)
    expect(sums.map((each) => each.get('invalid-406') ?? 0)).toEqual(invalid)
  })

  test('the counts by domain and by account', async () => {
    const window = { from: T0, to: T0 + 10 * HOUR }
    const requestsOf = async (account: number | null, by: 'domain' | 'account') =>
      Object.fromEntries([...(await services.overview.sumGroups(account, window, by))].map(([name, sums]) => [name, sums.get('request')]))
    expect(await requestsOf(1, 'domain')).toEqual({ 'example.org': 2, 'example.net': 1 })
    expect(await requestsOf(null, 'domain')).toEqual({ 'example.org': 3, 'example.net': 1 })
    expect(await requestsOf(null, 'account')).toEqual({ 'account 1': 3, 'account 2': 1 })
  })

  test('what waits is counted', async () => {
    expect(await services.overview.readStatus()).toMatchObject({ queued: 0, outbox: 0, inbox: 0, reportsLastHour: 0 })
  })

  test('a look-up finds the entries of the address and its domain, in this account alone, with the message behind them', async () => {
    await services.blockAllow.add(ANN, { list: 'block', scope: '', emails: [], domains: ['example.org'], until: null, note: 'a partner' })
    const found = await services.suppressions.lookUp(1, 'A@Example.org')
    expect(found.map(({ row: { list, isDomain, reason }, emailId }) => ({ list, isDomain, reason, emailId }))).toEqual(
      expect.arrayContaining([
        { list: 'bounce', isDomain: false, reason: 'not-exist', emailId: refused },
        { list: 'block', isDomain: true, reason: 'a partner', emailId: null },
      ]),
    )
    expect(found).toHaveLength(2)
    expect(await services.suppressions.lookUp(2, 'a@example.org')).toEqual([])
    expect(await services.suppressions.lookUp(1, 'no address at all')).toEqual([])
  })

  test.each(['bounce', 'complaint', 'unsubscribe', 'block', 'allow'] as const)(
    'an address is put on the %s list and taken off',
    async (list) => {
      const selection = { list, scope: '', emails: ['z@example.com'], domains: [] }
      expect(await services.blockAllow.add(ANN, { ...selection, until: null, note: 'by phone' })).toHaveLength(1)
      expect(await services.blockAllow.add(ANN, { ...selection, until: null, note: 'by phone' })).toEqual([])
      const [results = []] = await services.suppressions.checkAddresses(1, ['z@example.com'])
      expect(results.map((row) => [row.list, row.reason])).toEqual([[list, 'by phone']])
      expect(await services.blockAllow.remove(ANN, { ...selection, scope: null })).toBe(1)
      expect(await services.suppressions.checkAddresses(1, ['z@example.com'])).toEqual([[]])
    },
  )

  test('an entry has its history: who, when and why, newest first, and a new note is a change', async () => {
    const selection = { list: 'bounce', scope: '', emails: ['\u00fc@\u00c4.example'], domains: [] } as const
    const query = { text: '<\u00dc@xn--4CA.EXAMPLE>', list: 'bounce', scope: null } as const
    expect(await services.suppressions.findEntries(1, query)).toBeNull()
    await services.blockAllow.add(ANN, { ...selection, until: null, note: 'by phone' })
    await services.blockAllow.add(ANN, { ...selection, until: null })
    await services.blockAllow.add(ANN, { ...selection, until: null, note: 'by letter' })
    expect((await services.suppressions.findEntries(1, query))?.entries).toMatchObject([
      { reason: 'by letter', address: '\u00fc@xn--4ca.example' },
    ])
    expect(await services.suppressions.findEntries(1, { ...query, scope: 'ann' })).toBeNull()
    expect(await services.suppressions.findEntries(2, query)).toBeNull()
    await services.blockAllow.remove({ ...ANN, isOperator: true, user: 'eve' }, { ...selection, scope: null, note: 'asked again' })
    expect(await services.suppressions.findEntries(1, query)).toBeNull()
    await services.blockAllow.add(ANN, { ...selection, until: null })
    const changes = (await services.suppressions.findEntries(1, query))?.changes ?? []
    expect(changes.map(({ data: { action, actor, note, reason } }) => [action, actor, note, reason])).toEqual([
      ['add', 'api:ann', null, 'api'],
      ['remove', 'user:eve for ann', 'asked again', 'by letter'],
      ['add', 'api:ann', 'by letter', 'by letter'],
      ['add', 'api:ann', 'by phone', 'by phone'],
    ])
  })

  test('an unsubscription of a label names no API user', async () => {
    const entry = { list: 'unsubscribe', scope: 'spring', emails: ['label@example.com'], domains: [] } as const
    await services.blockAllow.add(ANN, { ...entry, until: null })
    await services.blockAllow.add(ANN, { ...entry, scope: 'autumn', until: null })
    const found = await services.suppressions.findEntries(1, { text: 'label@example.com', list: 'unsubscribe', scope: 'spring' })
    expect(found).toMatchObject({ entries: [{ scope: 'spring', apiUser: null }], changes: [{ data: { scope: 'spring' } }] })
  })

  test('an entry that has expired is not there', async () => {
    const entry = { list: 'block', scope: 'ann', emails: [], domains: ['Expired.example'] } as const
    const query = { text: 'expired.EXAMPLE', list: 'block', scope: null } as const
    await services.blockAllow.add(ANN, { ...entry, until: T0 - 1 })
    expect(await services.suppressions.findEntries(1, query)).toBeNull()
    await services.blockAllow.add(ANN, { ...entry, until: T0 + 1_000 * HOUR })
    expect(await services.suppressions.findEntries(1, query)).toMatchObject({
      target: { isDomain: true, address: null },
      entries: [{ scope: 'ann' }],
    })
    await expect(services.suppressions.findEntries(1, { ...query, text: 'no address' })).rejects.toMatchObject({ code: 'bad_request' })
  })

  test('a report is not read by its digest alone', async () => {
    expect(await services.messageReports.findRaw(1, refused, 'ab'.repeat(32))).toBeNull()
    expect(await services.messageReports.findRaw(2, refused, 'ab'.repeat(32))).toBeNull()
  })
})

test('a mail as parts: a nested part stands after its parent with a higher depth', () => {
  const lines = ['Content-Type: multipart/report; boundary=b', 'Subject: =?utf-8?q?caf=C3=A9?=', '', '--b', '', 'text', '--b--', '']
  const { parts, source, isTruncated } = toMailView(Buffer.from(lines.join('\r\n')))
  expect(parts.map(({ depth, type, text }) => [depth, type, text?.trim() ?? null])).toEqual([
    [0, 'multipart/report', null],
    [1, 'text/plain', 'text'],
  ])
  expect(parts[0]?.headers).toContainEqual({ name: 'subject', value: 'café' })
  expect([source.startsWith('Content-Type'), isTruncated]).toEqual([true, false])
})
