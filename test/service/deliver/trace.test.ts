/**
 * trace.test - what a trace shows of an outgoing delivery that is deferred and then delivered, and of its webhook events
 */
import { afterEach, expect, test } from 'vitest'
import { createVault } from '../../../src/config/vault.ts'
import { createHttpClient } from '../../../src/net/http-post.ts'
import { createSsrfGuard } from '../../../src/net/ssrf-guard.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { speedUpPolicy } from '../../../src/queue/backoff/policy-speed.ts'
import { RETRY_SCHEDULES } from '../../../src/queue/schedule/retry.ts'
import type { Context } from '../../../src/service/context.ts'
import { createDeliverer } from '../../../src/service/deliver/deliverer.ts'
import { createNotifier } from '../../../src/service/notify/notifier.ts'
import { createWebhookService } from '../../../src/service/notify/webhooks.ts'
import { createSmarthostRouter } from '../../../src/smtp-client/routing.ts'
import { createSmtpTransport } from '../../../src/smtp-client/smtp-transport.ts'
import type { TraceEvent, TraceFilter } from '../../../src/trace.ts'
import { makeContext, MASTER } from '../../support/context.ts'
import { delivererOptions, queueMails, waitUntil } from '../../support/delivery.ts'
import { engines } from '../../support/engines.ts'
import { countQueued } from '../../support/look.ts'
import { startMailbox } from '../../support/mailbox.ts'
import { respondWith, startWebhookReceiver } from '../../support/receiver.ts'

const DEFERRAL = '4.7.1 Client host blocked using zen.spamhaus.org'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp()
})

const [sqlite] = engines

/** `offset` moves the clock ahead. */
async function openContext(offset = { ms: 0 }): Promise<Context> {
  const clock = {
    get now() {
      return Date.now() + offset.ms
    },
  }
  if (sqlite === undefined) throw new Error('there is no engine')
  return makeContext((await sqlite.open()).engine, clock)
}

/** Returns all events that a listener has received so far. */
function listenTo({ telemetry }: Context, filter: TraceFilter): () => readonly TraceEvent[] {
  const listener = telemetry.trace.listen(filter)
  const events: TraceEvent[] = []
  return () => {
    events.push(...listener.take().events)
    return events
  }
}

/** Delivers over SMTP to a server on loopback that defers the first attempt. Backoff runs ten thousand times faster. */
async function startDelivery(context: Context): Promise<void> {
  const mailbox = await startMailbox((_, attempt) => (attempt === 1 ? { code: 451, text: DEFERRAL } : null))
  const transport = createSmtpTransport({
    router: createSmarthostRouter({ host: '127.0.0.1', port: mailbox.port, login: null, tls: 'off', implicitTls: false }),
    addressesOf: async () => ({ kind: 'none' }),
    ehloName: 'out.example.org',
    allowPrivate: true,
    trace: context.telemetry.trace,
  })
  const deliverer = createDeliverer(
    context,
    delivererOptions(transport, {
      policy: speedUpPolicy(BACKOFF_POLICIES.default, 10_000),
      retry: { ...RETRY_SCHEDULES.default, delaysMs: [30] },
      pools: { '*': ['127.0.0.1'] },
    }),
  )
  cleanUps.push(mailbox.close, transport.close, deliverer.close)
  deliverer.start()
}

/** The events of the queue, of the SMTP transaction and of the store, each in one line. */
const LINE_OF_EVENT: Readonly<Partial<Record<TraceEvent['kind'], (fields: TraceEvent['fields']) => string>>> = {
  'delivery.dispatched': ({ attempt }) => `dispatched, attempt ${attempt}`,
  'client.connected': ({ egressIp }) => `connected from ${egressIp}`,
  'client.command': ({ line }) => `> ${line}`,
  'client.reply': ({ text }) => `< ${text}`,
  'client.message': ({ bytes }) => `> a message${bytes === 0 ? ' without bytes' : ''}`,
  'delivery.answered': ({ phase, text, rule, matched }) => `answered at ${phase}: ${text}${rule === null ? '' : ` (${rule}: ${matched})`}`,
  'delivery.requeued': ({ attempts }) => `requeued after ${attempts}`,
  'delivery.ended': ({ end }) => `ended: ${end}`,
  fact: ({ fact }) => `fact ${fact}`,
}

const linesOf = (events: readonly TraceEvent[]): readonly string[] =>
  events.flatMap(({ kind, fields }) => LINE_OF_EVENT[kind]?.(fields) ?? [])

test('a delivery that is deferred and then delivered shows both attempts, by delivery and by domain', { timeout: 60_000 }, async () => {
  const context = await openContext()
  const [id = ''] = await queueMails(context, ['joe@example.net'])
  const [byDelivery, byDomain, byPeer, byOther] = [
    listenTo(context, { deliveryId: id }),
    listenTo(context, { domain: 'example.net' }),
    listenTo(context, { peer: '127.0.0.1' }),
    listenTo(context, { domain: 'example.com' }),
  ]
  await startDelivery(context)
  await waitUntil(() => byDelivery().some(({ kind }) => kind === 'delivery.ended'))
  const session = [
    'connected from 127.0.0.1',
    '> EHLO out.example.org',
    `> MAIL FROM:<${id}@bounce.example.com>`,
    '> RCPT TO:<joe@example.net>',
  ]
  const expected = [
    'dispatched, attempt 1',
    ...session,
    `< 451 ${DEFERRAL}`,
    `answered at rcpt: 451 ${DEFERRAL} (common-dns-blocklist: blocked using … spamhaus … zen.*)`,
    'fact attempt',
    'requeued after 1',
    'dispatched, attempt 2',
    ...session,
    '> a message',
    '< 250 OK: message queued',
    'answered at end: 250 OK: message queued',
    'fact attempt',
    'ended: delivered',
  ]
  await waitUntil(() => byDomain().some(({ kind }) => kind === 'delivery.ended'))
  for (const events of [byDelivery(), byDomain()]) expect(inOrder(linesOf(events), expected)).toEqual(expected)
  const transitions = byDomain().filter(({ kind }) => kind === 'backoff.changed')
  expect(transitions.slice(0, 2).map(({ fields }) => fields)).toMatchObject([
    { key: 'ip|127.0.0.1|example.net', class: 'ip-blocklist', from: 'active', to: 'paused', waiting: 1 },
    // The only message is in flight.
    { from: 'paused', to: 'probing', waiting: 0 },
  ])
  expect(byPeer().map(({ kind }) => kind)).toEqual(byDelivery().flatMap(({ kind }) => (kind.startsWith('client.') ? [kind] : [])))
  expect(byOther()).toEqual([])
  expect(JSON.stringify(byDomain())).not.toContain('Message-ID')
})

/** The lines of `expected` that are found in this order. */
function inOrder(lines: readonly string[], expected: readonly string[]): readonly string[] {
  let from = 0
  return expected.filter((line) => {
    const at = lines.indexOf(line, from)
    if (at >= 0) from = at + 1
    return at >= 0
  })
}

test('webhook events show where they wait and each attempt with its response', { timeout: 60_000 }, async () => {
  const offset = { ms: 0 }
  const context = await openContext(offset)
  const receiver = await startWebhookReceiver((request, response, count) =>
    respondWith(count === 1 ? 503 : 200, 'later')(request, response, count),
  )
  const vault = createVault(MASTER)
  const guard = createSsrfGuard({ allowPrivate: true, allowHosts: [] })
  const poster = createHttpClient(guard, { connections: 1 })
  const config = { url: receiver.url, name: 'all', events: ['deliver' as const], apiUsers: [], format: 'form', ladder: 'standard' } as const
  cleanUps.push(receiver.close, poster.close)
  await createWebhookService(context, { vault, guard, poster }).add(1, config)
  const [id = ''] = await queueMails(context, ['joe@example.net'])
  const events = listenTo(context, { deliveryId: id })
  await startDelivery(context)
  await waitUntil(async () => (await countQueued(context.engine.read)).waiting === 0)
  const forwardBodies = () => Promise.resolve(null)
  const notifier = createNotifier(context, { vault, poster, forwardBodies, replayWhenWell: true, recordDays: 7, recordTries: 3 })
  const shown = (): readonly object[] => events().flatMap(({ kind, fields }) => (kind.startsWith('webhook.') ? [{ kind, ...fields }] : []))
  await notifier.tick()
  await notifier.waitUntilIdle()
  expect(shown()).toMatchObject([
    { kind: 'webhook.queued', fact: 'attempt', endpoint: 1 },
    { kind: 'webhook.attempted', event: 'deliver', attempt: 1, status: 503, error: 'later' },
  ])
  offset.ms = 120_000
  await notifier.tick()
  await notifier.waitUntilIdle()
  expect(shown().slice(2)).toMatchObject([{ kind: 'webhook.attempted', event: 'deliver', attempt: 2, status: 200, error: null }])
})
