/**
 * delivery - a deliverer around a store of a test, with a transport that is a lambda, and mails put into its queue
 */
import { monthOfDelivery } from '../../src/correlate/delivery-id.ts'
import { knowAddress } from '../../src/correlate/address-hash.ts'
import type { Outcome, Outgoing, Transport } from '../../src/smtp-client/transport.ts'
import { decideRequest } from '../../src/ledger/decide/request.ts'
import { applyFacts } from '../../src/ledger/project/fold.ts'
import { POLICIES } from '../../src/queue/backoff/policy.ts'
import { RETRY } from '../../src/queue/schedule/retry.ts'
import { addQueued } from '../../src/store/queue/queued-mail.ts'
import { loadWorld } from '../../src/store/facts/ledger-state.ts'
import type { Render } from '../../src/service/deliver/sender.ts'
import { commitWorld } from '../../src/service/commit.ts'
import type { DeliverOptions } from '../../src/service/deliver/deliverer.ts'
import { createDeliveryIds, type Shop } from '../../src/service/context.ts'

export const OK = { kind: 'reply', code: 250, text: '250 2.0.0 queued', mx: 'mx.example.net', phase: 'end' } as const satisfies Outcome

export const refused = (code: number, text: string): Outcome => ({
  kind: 'reply',
  code,
  text: `${code} ${text}`,
  mx: 'mx.example.net',
  phase: 'rcpt',
})

export const unreachable: Outcome = { kind: 'error', error: 'connect', text: 'connect ECONNREFUSED', mx: null }

/** Names the mail by its delivery, as the real one does by its Message-ID. */
export const plainRender: Render = async (mail) => ({
  from: `${mail.deliveryId}@bounce.example.com`,
  to: mail.recipient,
  raw: Buffer.from(`Message-ID: <${mail.deliveryId}@example.org>\r\nSubject: hello\r\n\r\nhello\r\n`),
})

export const lambdaTransport = (send: (mail: Outgoing) => Promise<Outcome> | Outcome): Transport => ({
  send: async (mail) => send(mail),
  close: async () => undefined,
})

/** Options that a test changes where it cares. */
export function deliverOptions(transport: Transport, more: Partial<DeliverOptions> = {}): DeliverOptions {
  return {
    transport,
    render: plainRender,
    placeOf: async (domain) => ({ site: domain, gateway: false, mxSet: `mx.${domain}` }),
    policy: POLICIES.default,
    retry: RETRY.default,
    pools: { '*': ['192.0.2.1'] },
    lines: 20,
    linesPerSite: 10,
    inFlightBytes: 67_108_864,
    node: 'test',
    leaseMs: 10_000,
    closeMs: 2_000,
    ...more,
  }
}

/** Registers mails and puts them into the queue; their deliveryIds. */
export async function queueMails(shop: Shop, recipients: readonly string[], account = 1): Promise<readonly string[]> {
  const at = shop.now()
  const page = await shop.book.open()
  const settings = page.settingsOf(account)
  const ids = await createDeliveryIds(shop.engine)(account, recipients.length, at)
  const messageId = `${ids[0] ?? ''}m`
  await shop.engine.tx(async (db) => {
    const { world } = await loadWorld(db, {})
    for (const [index, deliveryId] of ids.entries()) {
      const recipient = recipients[index] ?? ''
      const address = knowAddress(recipient)
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
      const moment = { at, receivedAt: at, ids: shop.ids }
      applyFacts(world, decideRequest({ world, account, deliveryId, request, address, isSelected: true, isQueued: true, settings, moment }))
    }
    await addQueued(
      db,
      account,
      { bodyId: messageId, content: '{"subject":"hello"}', createdAt: at },
      ids.map((deliveryId, index) => ({
        deliveryId,
        deliveryMonth: monthOfDelivery(deliveryId),
        recipient: recipients[index] ?? '',
        domain: knowAddress(recipients[index] ?? '')?.domain ?? '',
        senderDomain: 'example.org',
        variables: {},
        acceptedAt: at,
        dueAt: 0,
      })),
    )
    await commitWorld(db, world, { now: at, notify: () => true })
  })
  return ids
}

/** Waits until it holds, at most ten seconds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not come to pass')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
