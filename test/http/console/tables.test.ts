/**
 * tables.test - the choices that the console offers are those of the daemon: a browser cannot load the daemon's tables, so it has its own
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { ALERT_NAMES } from '../../../src/ledger/alert/alert-rules.ts'
import { INBOX_REASONS, INBOX_STATES } from '../../../src/ledger/facts/inbox-facts.ts'
import { keyReasonOf } from '../../../src/queue/backoff/backoff-key.ts'
import { PAYLOAD_FORMATS } from '../../../src/webhook/payload-format.ts'
import { WEBHOOK_EVENT_NAMES } from '../../../src/webhook/payload.ts'
import { RETRY_SCHEDULE_NAMES } from '../../../src/webhook/retry-schedule.ts'

const PAGES = join(import.meta.dirname, '../../../console/pages')
const load = (path: string): Promise<Readonly<Record<string, unknown>>> => import(pathToFileURL(join(PAGES, path)).href)

test('a webhook endpoint can be given every event, format and retry schedule', async () => {
  const { EVENTS, FORMATS, LADDERS } = await load('webhooks/endpoint.ts')
  expect({ EVENTS, FORMATS, LADDERS }).toEqual({ EVENTS: WEBHOOK_EVENT_NAMES, FORMATS: PAYLOAD_FORMATS, LADDERS: RETRY_SCHEDULE_NAMES })
})

test('the inbox can be filtered by every reason and state', async () => {
  const { ITEM_REASONS, STATES } = await load('inbox/inbox-item.ts')
  expect({ ITEM_REASONS, STATES }).toEqual({ ITEM_REASONS: INBOX_REASONS, STATES: [...INBOX_STATES, 'any'] })
})

const has = (texts: unknown, key: string): boolean => {
  const check: unknown = Reflect.get(Object(texts), 'has')
  return typeof check === 'function' && check(key) === true
}

test('every alert has a name in both languages', async () => {
  const { alertTexts } = await load('../texts/alert-texts.ts')
  expect(ALERT_NAMES.filter((name) => !has(alertTexts, name))).toEqual([])
})

test('every reason of a lane has words in both languages', async () => {
  const { laneTexts } = await load('../texts/lane-texts.ts')
  const keys = [
    'ip|i|s',
    'sender-domain|d|s',
    'connection|i|s',
    'network|mx|m',
    'own|i',
    'account|7',
    'manual|7|*',
    'lane|7|d',
    'site|s',
    'warmup|i|s',
  ]
  const reasons = keys.map((key) => keyReasonOf(key) ?? key)
  expect(reasons.filter((reason) => !has(laneTexts, reason))).toEqual([])
})
