/**
 * greeting.test - who waits for the greeting: peers that are unknown, that have broken a rule, or whose connections are under stress
 *
 * The pause is an hour wherever a peer must not wait, so no test depends on how fast the machine is.
 */
import { afterEach, expect, test } from 'vitest'
import type { ListenerLimits } from '../../src/smtp-server/listener-options.ts'
import {
  closeAll,
  LIMITS,
  MAIL,
  openConnection,
  openConversation,
  sendUpToData,
  startListener,
  type StartedListener,
} from '../support/smtp-listener.ts'

afterEach(closeAll)

const HOUR_MS = 3_600_000

type Door = StartedListener & { readonly setDelay: (ms: number) => void; readonly skip: (ms: number) => void }

/** A listener whose pause and clock the test sets. */
async function startDoor(limits: Partial<ListenerLimits> = {}, submit: () => Promise<void> = () => Promise.resolve()): Promise<Door> {
  let delayMs = 1
  let skippedMs = 0
  const merged = {
    ...LIMITS,
    ...limits,
    get greetingDelayMs() {
      return delayMs
    },
  }
  const started = await startListener({ submit, wholeLimits: merged, now: () => Date.now() + skippedMs })
  return {
    ...started,
    setDelay: (ms) => {
      delayMs = ms
    },
    skip: (ms) => {
      skippedMs += ms
    },
  }
}

/** Delivers one mail, so that the peer is known, and makes the pause an hour. */
async function deliverOnce(door: Door): Promise<void> {
  const peer = await openConversation(door.listener.port)
  await sendUpToData(peer)
  expect(await peer.send(`${MAIL}\r\n.`)).toMatch(/^250 2\.6\.0/)
  expect(await peer.send('QUIT')).toMatch(/^221/)
  door.setDelay(HOUR_MS)
}

/** Whether a new connection waits: a byte that it sends is answered by 554 only before the greeting. */
async function waits({ listener }: Door): Promise<boolean> {
  const peer = openConnection(listener.port)
  peer.socket.write('NOOP\r\n')
  const replies = [await peer.receive()]
  peer.socket.destroy()
  return replies.every((reply) => reply.startsWith('554 5.5.0'))
}

/** The greeting of a connection that sends nothing. */
const greetingOf = ({ listener }: Door): Promise<string> => openConnection(listener.port).receive()

test('a peer that has delivered a mail is greeted at once', async () => {
  const door = await startDoor()
  await deliverOnce(door)
  expect(await greetingOf(door)).toMatch(/^220 bounce\.example\.com ESMTP/)
})

test('a peer that has only connected waits, and is refused when it talks first', async () => {
  const door = await startDoor()
  const visitor = await openConversation(door.listener.port)
  await sendUpToData(visitor)
  door.setDelay(HOUR_MS)
  expect(await waits(door)).toBe(true)
  expect(await door.refusedCount('early')).toBe(1)
})

test('a peer whose mail was not accepted waits', async () => {
  const door = await startDoor({}, () => Promise.reject(new Error('the store is away')))
  const peer = await openConversation(door.listener.port)
  await sendUpToData(peer)
  expect(await peer.send(`${MAIL}\r\n.`)).toMatch(/^451/)
  door.setDelay(HOUR_MS)
  expect(await waits(door)).toBe(true)
})

test.each([
  ['talks before the reply to EHLO', 'EHLO mx.example.net\r\nMAIL FROM:<>\r\n', /^554/],
  ['sends a bare LF', 'NOOP\nNOOP\r\n', /^500/],
  ['sends BDAT', 'BDAT 5 LAST\r\n', /^502/],
  ['speaks HTTP', 'GET / HTTP/1.1\r\n', /^(?:421|554)/],
])('a known peer that %s waits again', async (_what, bytes, refusal) => {
  const door = await startDoor()
  await deliverOnce(door)
  const peer = await openConversation(door.listener.port)
  peer.socket.write(bytes)
  expect(await peer.receive()).toMatch(refusal)
  expect(await waits(door)).toBe(true)
})

test('a known peer waits while its connections are under stress', async () => {
  const door = await startDoor({ connectionsPerPeer: 10, stressPercent: 50 })
  await deliverOnce(door)
  for (let opened = 0; opened < 5; opened++) openConnection(door.listener.port)
  expect(await waits(door)).toBe(true)
})

test('a peer is forgotten when its last mail is long ago', async () => {
  const door = await startDoor({ knownPeerMs: 60_000 })
  await deliverOnce(door)
  expect(await greetingOf(door)).toMatch(/^220/)
  door.skip(60_000)
  expect(await waits(door)).toBe(true)
})

test('with a memory of 0 every peer waits', async () => {
  const door = await startDoor({ knownPeerMs: 0 })
  await deliverOnce(door)
  expect(await waits(door)).toBe(true)
})
