/**
 * delivery - options for a deliverer in tests, a transport from a function, and messages for its queue
 */
import { monthOfDelivery } from '../../src/correlate/delivery-id.ts'
import { normaliseAddress } from '../../src/correlate/address-hash.ts'
import type { SmtpOutcome, OutgoingMail, Transport } from '../../src/smtp-client/transport.ts'
import { decideRequest } from '../../src/ledger/decide/request.ts'
import { applyFacts } from '../../src/ledger/project/fold.ts'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { RETRY_SCHEDULES } from '../../src/queue/schedule/retry.ts'
import { randomBytes } from 'node:crypto'
import { formatMessageId, HANDLE_RANDOM_BYTES } from '../../src/correlate/api-handle.ts'
import { addQueuedMessages } from '../../src/store/queue/queued-mail.ts'
import { loadLedgerState } from '../../src/store/facts/ledger-state.ts'
import type { MessageRenderer } from '../../src/service/deliver/render.ts'
import { commitLedgerState } from '../../src/service/commit.ts'
import type { createDeliverer } from '../../src/service/deliver/deliverer.ts'
import { ALL_LANE_GROUPS, laneGroupOf } from '../../src/queue/lane-group.ts'
import type { Engine } from '../../src/store/engine/engine.ts'
import { assignGroupsForOperator } from '../../src/store/queue/lane-groups.ts'
import type { Context } from '../../src/service/context.ts'
import { createDeliveryIdAllocator } from '../../src/service/submit/delivery-ids.ts'

export type Deliverer = ReturnType<typeof createDeliverer>
export type DelivererOptions = Parameters<typeof createDeliverer>[1]

export const ACCEPTED = {
  kind: 'reply',
  code: 250,
  text: '250 2.0.0 queued',
  mx: 'mx.example.net',
  phase: 'end',
} as const satisfies SmtpOutcome

export const refusedOutcome = (code: number, text: string): SmtpOutcome => ({
  kind: 'reply',
  code,
  text: `${code} ${text}`,
  mx: 'mx.example.net',
  phase: 'rcpt',
})

export const UNREACHABLE: SmtpOutcome = { kind: 'error', error: 'connect', text: 'connect ECONNREFUSED', mx: null }

/** The Return-Path and the Message-ID name the delivery. */
export const renderPlain: MessageRenderer = async (mail) => ({
  from: `${mail.deliveryId}@bounce.example.com`,
  to: mail.recipient,
  raw: Buffer.from(`Message-ID: <${mail.deliveryId}@example.org>\r\nSubject: hello\r\n\r\nhello\r\n`),
})

export const createFunctionTransport = (send: (mail: OutgoingMail) => Promise<SmtpOutcome> | SmtpOutcome): Transport => ({
  send: async (mail) => send(mail),
  close: async () => undefined,
})

/** Default options, with changes. */
export function delivererOptions(transport: Transport, more: Partial<DelivererOptions> = {}): DelivererOptions {
  return {
    transport,
    render: renderPlain,
    resolveDestination: async (domain) => ({ site: domain, gateway: false, mxSet: `mx.${domain}` }),
    policy: BACKOFF_POLICIES.default,
    retry: RETRY_SCHEDULES.default,
    pools: { '*': ['192.0.2.1'] },
    concurrencyLimit: 20,
    siteConcurrencyLimit: 10,
    maxInFlightBytes: 67_108_864,
    node: 'test',
    leaseMs: 10_000,
    uncertainMs: 60_000,
    closeTimeoutMs: 2_000,
    ...more,
  }
}

/** Makes a node the holder of all lane groups. */
export const holdAllGroups = (engine: Engine, node: string): Promise<void> =>
  engine.tx((db) => assignGroupsForOperator(db, [...ALL_LANE_GROUPS], node))

/** Registers messages and puts them into the queue. Returns their deliveryIds. */
export async function queueMails(context: Context, recipients: readonly string[], account = 1): Promise<readonly string[]> {
  const at = context.now()
  const snapshot = await context.accountCache.snapshot()
  const settings = snapshot.settingsOf(account)
  const ids = await createDeliveryIdAllocator(context.engine)(account, recipients.length, at)
  const messageId = formatMessageId(at, randomBytes(HANDLE_RANDOM_BYTES))
  await context.engine.tx(async (db) => {
    const { ledgerState } = await loadLedgerState(db, {})
    for (const [index, deliveryId] of ids.entries()) {
      const recipient = recipients[index] ?? ''
      const address = normaliseAddress(recipient)
      const request = {
        emailId: `${messageId}${index}$${recipient}`,
        messageId,
        recipient,
        domain: address?.domain ?? '',
        site: null,
        apiUser: 'alice',
        labelId: null,
        label: null,
        emailType: 'trigger',
        broadcast: null,
        from: 'news@example.org',
        subject: 'hello',
        headers: {},
        messageIdHeader: `${deliveryId}@example.org`,
        requestIp: null,
        requestedAt: at,
      } as const
      const moment = { at, receivedAt: at, ids: context.ids }
      applyFacts(
        ledgerState,
        decideRequest({ ledger: ledgerState, account, deliveryId, request, address, isSelected: true, isQueued: true, settings, moment }),
      )
    }
    await addQueuedMessages(
      db,
      account,
      { bodyId: messageId, content: '{"subject":"hello"}', createdAt: at },
      ids.map((deliveryId, index) => ({
        deliveryId,
        deliveryMonth: monthOfDelivery(deliveryId),
        recipient: recipients[index] ?? '',
        domain: normaliseAddress(recipients[index] ?? '')?.domain ?? '',
        laneGroup: laneGroupOf(normaliseAddress(recipients[index] ?? '')?.domain ?? ''),
        senderDomain: 'example.org',
        labelName: null,
        labelId: null,
        isBatch: false,
        variables: {},
        keyIndex: snapshot.signingIndex,
        acceptedAt: at,
        requestedAt: null,
        dueAt: 0,
      })),
    )
    await commitLedgerState(db, ledgerState, { now: at, notify: () => true })
  })
  return ids
}

/** Waits until it holds. Fails after a minute, which is long enough for a busy machine. */
export async function waitUntil(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('the condition did not hold within a minute')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
