/**
 * tarpit.test - servers that take the connection and never answer RCPT: mail to everybody else goes on, and their hosts are paused
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSmtpTransport } from '../../../src/smtp-client/smtp-transport.ts'
import type { Router, Transport } from '../../../src/smtp-client/transport.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { createDeliverer, type Deliverer } from '../../../src/service/deliver/deliverer.ts'
import type { Shop } from '../../../src/service/context.ts'
import { deliverOptions, queueMails, until } from '../../support/delivery.ts'
import { engines } from '../../support/engines.ts'
import { type Mailbox, startMailbox } from '../../support/mailbox.ts'
import { type Peer, startPeer } from '../../support/peer.ts'
import { makeShop } from '../../support/context.ts'

const TARPITS = 12

describe.each(engines)('tarpits: $kind', ({ open }) => {
  let engine: Engine
  let shop: Shop
  let tarpit: Peer
  let mailbox: Mailbox
  const running: { readonly deliverer: Deliverer; readonly transport: Transport }[] = []
  beforeEach(async () => {
    engine = (await open()).engine
    const clock = {
      get now() {
        return Date.now()
      },
    }
    shop = await makeShop(engine, clock)
    tarpit = await startPeer({ RCPT: null })
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
    const stop = { name: domain, address: '127.0.0.1', port, tls: 'off', implicitTls: false, login: null, proxy: false } as const
    return { kind: 'stops', stops: [stop] }
  }
  const run = (commandMs: number): Deliverer => {
    const addressesOf = () => Promise.resolve({ kind: 'none' } as const)
    const transport = createSmtpTransport({ route, addressesOf, ehlo: 'out.example.org', allowPrivate: true, patience: { commandMs } })
    const options = deliverOptions(transport, { pools: { '*': ['127.0.0.1'] }, lines: 100, linesPerSite: 20, closeMs: 100 })
    const deliverer = createDeliverer(shop, options)
    running.push({ deliverer, transport })
    deliverer.start()
    return deliverer
  }
  const fillTarpits = async (): Promise<void> => {
    const all = Array.from({ length: TARPITS * 25 }, (_, n) => `user${n}@tar${n % TARPITS}.example.net`)
    await queueMails(shop, all)
  }
  const keysPaused = async (): Promise<number> => {
    const rows = await engine.read.all(`select data from queue_keys where key like 'network|mx|mx.tar%'`)
    return rows.filter((row) => String(row['data']).includes('"state":"paused"')).length
  }

  test('a mail to a healthy server goes out while all of them hang', async () => {
    await fillTarpits()
    const deliverer = run(300_000)
    await until(() => tarpit.heard.length >= 2 * TARPITS)
    await queueMails(shop, ['joe@well.example.net'])
    deliverer.nudge()
    await until(() => mailbox.accepted.size === 1)
    expect(tarpit.heard.length).toBeLessThanOrEqual(2 * TARPITS)
  })

  test('whose silence has lasted too long is paused', async () => {
    await fillTarpits()
    run(150)
    await until(async () => (await keysPaused()) >= TARPITS)
    expect(mailbox.accepted.size).toBe(0)
  })
})
