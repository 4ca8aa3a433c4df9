/**
 * tarpit.test - servers that accept connections and never reply to RCPT: other mail is delivered, and the keys of their hosts are paused
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSmtpTransport } from '../../../src/smtp-client/smtp-transport.ts'
import type { Router, Transport } from '../../../src/smtp-client/transport.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { createDeliverer } from '../../../src/service/deliver/deliverer.ts'
import type { Context } from '../../../src/service/context.ts'
import { delivererOptions, queueMails, waitUntil, type Deliverer } from '../../support/delivery.ts'
import { engines } from '../../support/engines.ts'
import { type Mailbox, startMailbox } from '../../support/mailbox.ts'
import { type ScriptedPeer, startScriptedPeer } from '../../support/peer.ts'
import { makeContext } from '../../support/context.ts'

const TARPITS = 12

describe.each(engines)('tarpits: $kind', ({ open }) => {
  let engine: Engine
  let context: Context
  let tarpit: ScriptedPeer
  let mailbox: Mailbox
  const running: { readonly deliverer: Deliverer; readonly transport: Transport }[] = []
  beforeEach(async () => {
    engine = (await open()).engine
    const clock = {
      get now() {
        return Date.now()
      },
    }
    context = await makeContext(engine, clock)
    tarpit = await startScriptedPeer({ RCPT: null })
    mailbox = await startMailbox()
  })
  afterEach(async () => {
    for (const { deliverer, transport } of running.splice(0)) {
      await transport.close()
      await deliverer.close()
    }
    await tarpit.close()
    await mailbox.close()
  })

  const route: Router = async (domain) => {
    const port = domain.startsWith('tar') ? tarpit.port : mailbox.port
    const hop = { name: domain, address: '127.0.0.1', port, tls: 'off', implicitTls: false, login: null, proxy: false } as const
    return { kind: 'route', nextHops: [hop] }
  }
  const run = (commandMs: number): Deliverer => {
    const addressesOf = () => Promise.resolve({ kind: 'none' } as const)
    const transport = createSmtpTransport({
      router: route,
      addressesOf,
      ehloName: 'out.example.org',
      allowPrivate: true,
      timeouts: { commandMs },
    })
    const options = delivererOptions(transport, {
      pools: { '*': ['127.0.0.1'] },
      concurrencyLimit: 100,
      siteConcurrencyLimit: 20,
      closeTimeoutMs: 100,
    })
    const deliverer = createDeliverer(context, options)
    running.push({ deliverer, transport })
    deliverer.start()
    return deliverer
  }
  const fillTarpits = async (): Promise<void> => {
    const recipients = Array.from({ length: TARPITS * 25 }, (_, n) => `user${n}@tar${n % TARPITS}.example.net`)
    await queueMails(context, recipients)
  }
  const countPausedKeys = async (): Promise<number> => {
    const rows = await engine.read.all(`select data from queue_keys where key like 'network|mx|mx.tar%'`)
    return rows.filter((row) => String(row['data']).includes('"state":"paused"')).length
  }

  test('a message to a healthy server is delivered while all of them hang', async () => {
    await fillTarpits()
    run(300_000)
    await waitUntil(() => tarpit.receivedLines.length >= 2 * TARPITS)
    await queueMails(context, ['joe@well.example.net'])
    context.engine.nudges.send()
    await waitUntil(() => mailbox.accepted.size === 1)
    expect(tarpit.receivedLines.length).toBeLessThanOrEqual(2 * TARPITS)
  })

  test('the key of a server that did not reply in time is paused', async () => {
    await fillTarpits()
    run(150)
    await waitUntil(async () => (await countPausedKeys()) >= TARPITS)
    expect(mailbox.accepted.size).toBe(0)
  })
})
