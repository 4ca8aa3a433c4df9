/**
 * crowds.test - strangers who fill the SMTP listener with connections, and the mail that is taken even so
 */
import { Server } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { LISTEN_BACKLOG } from '../../src/net/listen-backlog.ts'
import {
  closeAll,
  MAIL,
  openConnection,
  openConversation,
  sendUpToData,
  startListener,
  type SmtpConversation,
} from '../support/smtp-listener.ts'

afterEach(closeAll)

/** 40 connections of four networks that are full: 127.0.1.0/24 to 127.0.4.0/24. */
const LIMITS = { connections: 40, connectionsPerPeer: 5, connectionsPerNetwork: 10 }

async function fill(
  port: number,
  use: (client: SmtpConversation) => Promise<unknown> = () => Promise.resolve(),
): Promise<SmtpConversation[]> {
  const clients: SmtpConversation[] = []
  for (let n = 0; n < 40; n++) {
    const client = await openConversation(port, `127.0.${1 + (n % 4)}.${1 + Math.floor(n / 20)}`)
    await use(client)
    clients.push(client)
  }
  return clients
}

async function deliver(port: number, from: string): Promise<string> {
  const client = await openConversation(port, from)
  expect(await sendUpToData(client)).toMatch(/^354 /)
  return client.send(`${MAIL}.`)
}

test('idle connections of four networks fill the listener; the mail of a fifth network is taken', async () => {
  const { listener, received, refusedCount } = await startListener({ limits: LIMITS })
  const idle = await fill(listener.port)
  for (let n = 0; n < 5; n++) expect(await deliver(listener.port, '127.0.9.1')).toMatch(/^250 /)
  expect(received.length).toBe(5)
  expect(await idle[0]?.receiveAll()).toEqual([expect.stringMatching(/^421 4\.3\.2 .*was idle.*limits\.connections/)])
  expect(await refusedCount('evicted')).toBe(5)
})

test('the kernel keeps more new connections than strangers open in one burst', async () => {
  const listen = vi.spyOn(Server.prototype, 'listen')
  await startListener({ limits: LIMITS })
  expect(listen).toHaveBeenCalledWith(expect.objectContaining({ backlog: LISTEN_BACKLOG }), expect.any(Function))
  expect(LISTEN_BACKLOG).toBeGreaterThan(2_000)
  listen.mockRestore()
})

test('a connection that keeps sending NOOP is idle too', async () => {
  const { listener } = await startListener({ limits: LIMITS })
  await fill(listener.port, (client) => client.send('NOOP'))
  expect(await deliver(listener.port, '127.0.9.1')).toMatch(/^250 /)
})

test('a peer that does not close after QUIT does not keep its place', async () => {
  const { listener } = await startListener({ limits: LIMITS })
  await fill(listener.port, (client) => {
    client.socket.on('end', () => undefined)
    return client.send('QUIT')
  })
  expect(await deliver(listener.port, '127.0.9.1')).toMatch(/^250 /)
})

test('mails that stand still give way after the time of stress', async () => {
  let offset = 0
  const { listener } = await startListener({ limits: { ...LIMITS, stressTimeoutMs: 5_000 }, now: () => Date.now() + offset })
  await fill(listener.port, (client) => sendUpToData(client))
  expect(await openConnection(listener.port, '127.0.9.1').receive()).toMatch(/^421 4\.3\.2 .*limits\.connections/)
  offset = 6_000
  expect(await deliver(listener.port, '127.0.9.1')).toMatch(/^250 /)
})

test('refused connections take no places of the others', async () => {
  const { listener } = await startListener({ limits: { ...LIMITS, connectionsPerPeer: 1 } })
  await openConversation(listener.port, '127.0.1.1')
  const refused = Array.from({ length: 200 }, () => openConnection(listener.port, '127.0.1.1'))
  expect(await deliver(listener.port, '127.0.9.1')).toMatch(/^250 /)
  expect(await refused[0]?.receive()).toMatch(/^421 .*limits\.connectionsPerPeer|^gone$/)
})

test('under stress, connections that wait for a command are closed after limits.stressSeconds', async () => {
  let offset = 0
  const limits = { ...LIMITS, stressPercent: 80, stressTimeoutMs: 5_000, commandTimeoutMs: 300_000, idleTimeoutMs: 300_000 }
  const { listener } = await startListener({ limits, now: () => Date.now() + offset })
  const alone = await openConversation(listener.port, '127.0.9.1')
  const peers = await Promise.all(Array.from({ length: 4 }, () => openConversation(listener.port, '127.0.1.1')))
  offset = 6_000
  expect(await peers[0]?.receive()).toMatch(/^421 4\.4\.2 .*limits\.stressSeconds/)
  expect(await alone.send('NOOP')).toMatch(/^250 /)
})

test('exempt peers have no limits by peer and network', async () => {
  const { listener } = await startListener({ limits: { ...LIMITS, exemptPeers: ['127.0.1.1'] } })
  for (let n = 0; n < 12; n++) expect(await openConnection(listener.port, '127.0.1.1').receive()).toMatch(/^220 /)
})
