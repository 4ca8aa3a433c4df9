/**
 * fuzz.test - the compatible APIs return a known code for any parameters, and days and hours have no gaps
 */
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { SENDCLOUD_MESSAGES } from '../../../src/http/sendcloud/envelope.ts'
import { collectParameters, readParameters } from '../../../src/http/sendcloud/parameters.ts'
import { splitIntoDays, formatTime, splitIntoHours, parseTime, addDays, toDayRange } from '../../../src/http/sendcloud/zoned-time.ts'
import { SENDCLOUD_PAGING } from '../../../src/http/sendcloud/filters.ts'
import { listEngageLabRoutes, listSendCloudOperations } from '../compatible-routes.ts'
import { makeBench, type Bench } from '../bench.ts'

let bench: Bench
beforeAll(async () => {
  bench = await makeBench({}, { limits: { ...LIMITS, requestsPerMinute: 1_000_000 } })
})
const LIMITS = { bodyBytes: 1_000_000, recipientsPerRequest: 3, attemptsPerRequest: 3, classificationsPerRequest: 3, emailStatusDays: 3 }

const NAMES =
  'days startDate endDate start_date end_date email emailIds labelId labelName apiUserList start limit status subStatus labelIdList labelNameList domainList domainName apiUserBlock apiUserName expireTime aggregate trackType query url event categoryName webhookId __proto__ constructor'.split(
    ' ',
  )
const ENGAGE = [
  'send_date',
  'offset',
  'limit',
  'email',
  'emails',
  'email_or_domain',
  'api_user',
  'label_id',
  'status',
  'sub_status',
  'email_ids',
]
const VALUES = [
  '',
  ' ',
  '0',
  '1',
  '-1',
  '101',
  '9e9',
  '2026-11-20',
  '2026-02-30',
  'joe@example.com',
  'example.com',
  ';',
  'a;b',
  '%',
  '\0',
  'all',
]
const value = fc.oneof(fc.constantFrom(...VALUES), fc.string({ unit: 'binary', maxLength: 40 }))
const parameters = (names: readonly string[]): fc.Arbitrary<readonly (readonly [string, string])[]> =>
  fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 6 })

test('any parameters of any SendCloud operation give an envelope with a known code', async () => {
  const operations = fc.constantFrom(
    ...(await listSendCloudOperations()).filter((name) => !name.startsWith('webhook/') && name !== 'mail/send'),
  )
  await fc.assert(
    fc.asyncProperty(operations, parameters(NAMES), async (operation, given) => {
      const query = new URLSearchParams([...given.map(([name, text]) => [name, text]), ['apiUser', 'alice'], ['apiKey', 'secret-of-alice']])
      const response = await bench.send({ url: `/api/${operation}?${query.toString()}`, auth: null })
      const { statusCode, result, info, message } = response.json()
      expect([response.statusCode, typeof result, typeof info, typeof message]).toEqual([200, 'boolean', 'object', 'string'])
      expect(Object.keys(SENDCLOUD_MESSAGES)).toContain(String(statusCode))
      expect(statusCode).not.toBe(501)
    }),
    { numRuns: 1_500 },
  )
})

test('any parameters of the EngageLab API give a result or an error', async () => {
  const routes = await listEngageLabRoutes()
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...routes), parameters(ENGAGE), async ({ method, url }, given) => {
      const response = await bench.send({ method, url: `${url}?${new URLSearchParams(given.map((pair) => [...pair])).toString()}` })
      expect([200, 400]).toContain(response.statusCode)
      expect(Object.keys(response.json()).toSorted()).toEqual(
        response.statusCode === 200 ? ['count', 'result', 'total'] : ['code', 'message'],
      )
    }),
    { numRuns: 800 },
  )
})

test('collecting and reading parameters is total', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (query, body) => {
      const read = readParameters(SENDCLOUD_PAGING, collectParameters(query, body))
      expect(typeof read.ok).toBe('boolean')
    }),
  )
})

const ZONES = 'UTC Asia/Shanghai Europe/Berlin America/New_York Asia/Kathmandu Australia/Lord_Howe Pacific/Apia America/St_Johns'.split(' ')
const zones = fc.constantFrom(...ZONES)
const days = fc.integer({ min: 0, max: 5_000 }).map((n) => addDays('2018-01-01', n))

test('the days and hours of any zone have no gaps and start on quarter-hours', () => {
  fc.assert(
    fc.property(zones, days, fc.integer({ min: 0, max: 10 }), (zone, first, more) => {
      const span = toDayRange(first, addDays(first, more), zone)
      const pieces = splitIntoDays(span, zone).flatMap((day) => splitIntoHours(day, zone))
      expect([pieces[0]?.from, pieces.at(-1)?.until]).toEqual([span.from, span.until])
      expect(pieces.every(({ until }, n) => n + 1 === pieces.length || pieces[n + 1]?.from === until)).toBe(true)
      expect(pieces.every(({ from, until }) => from < until && from % 900_000 === 0)).toBe(true)
      expect(pieces.every(({ from, hour }) => Number(formatTime(from, zone).slice(11, 13)) === hour)).toBe(true)
    }),
  )
})

test('a formatted time is parsed again, except in the hour that occurs twice', () => {
  fc.assert(
    fc.property(zones, fc.integer({ min: Date.UTC(2018, 0, 1), max: Date.UTC(2031, 0, 1) }), (zone, at) => {
      const text = formatTime(at, zone)
      expect(formatTime(parseTime(text, zone) ?? 0, zone)).toBe(text)
    }),
  )
})
