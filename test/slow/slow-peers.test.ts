/**
 * slow-peers.test - a thousand connections that each drip a mail of 20 MB: memory stays within its bound, and a good mail still gets through
 *
 * Every step waits for a condition, so that a busy machine makes the test slower and no stricter.
 */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { RETURN_PATH_DOMAIN, startDaemon, type Daemon } from '../support/daemon.ts'
import { MAIL, openConversation, type SmtpConversation } from '../support/smtp-listener.ts'

const PEERS = 1_000
const MAIL_BYTES = 20 * 1024 * 1024
const DRIP = Buffer.alloc(32 * 1024, 'x'.repeat(76) + '\r\n')
const DRIP_EVERY_MS = 250

/** Bytes that the peers send before the test ends: several times the daemon's budget for all bodies (64 MB). */
const OFFERED_BYTES = 512 * 1024 * 1024
/** Each takes up to half a minute, because the peers take the budget again as soon as one of them is ended. */
const GOOD_MAILS = 3

/**
 * Megabytes of resident memory: at most 210 when idle, the budget of 64, the same again as garbage of ended mails, and 100 KB a connection.
 * If the daemon kept all mails, it would need 5 GB.
 */
const MAX_RESIDENT_MB = 480

let daemon: Daemon | null = null
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await daemon?.stop()
})

/** `drips` is set once every peer has reached DATA; `isOver` ends the reconnecting. */
type Attack = { drips: boolean; isOver: boolean; offeredBytes: number }

type Dripper = { sent: number; inData: boolean; hasReachedData: boolean; ended: number }

/** A peer that gets to DATA, then drips, and reconnects when it is ended. `n` selects its address in a network of 100. */
function startDripper(port: number, n: number, state: Dripper, attack: Attack): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.${1 + (n % 10)}.${1 + (n % 7)}` })
  sockets.push(socket)
  const script = [`EHLO slow${n}.example.net\r\n`, 'MAIL FROM:<>\r\n', `RCPT TO:<slow${n}@${RETURN_PATH_DOMAIN}>\r\n`, 'DATA\r\n']
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    const code = chunk.toString('latin1').slice(0, 3)
    if (code === '354') state.inData = state.hasReachedData = true
    else if (code === '452') setTimeout(() => socket.writable && socket.write('MAIL FROM:<>\r\n'), 1_000)
    else if (code === '220' || code === '250') socket.write(script.shift() ?? '')
  })
  const dripping = setInterval(() => {
    if (!attack.drips || !state.inData || !socket.writable || state.sent >= MAIL_BYTES) return
    socket.write(DRIP)
    state.sent += DRIP.length
    attack.offeredBytes += DRIP.length
  }, DRIP_EVERY_MS)
  socket.on('close', () => {
    clearInterval(dripping)
    if (state.inData) state.ended++
    state.inData = false
    state.sent = 0
    if (!attack.isOver) setTimeout(() => startDripper(port, n, state, attack), 1_000)
  })
}

/** Resident memory of a process in MB. */
function residentMemory(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1_024
}

/** Sends a good mail as an MTA does: it tries again after 452, 421 and a lost connection. */
async function deliver(port: number): Promise<void> {
  for (;;) {
    const reply = await openConversation(port, '127.0.99.1').then(sendGoodMail, () => 'gone')
    if (reply.startsWith('250')) return
    expect(reply).toMatch(/^4\d\d 4\.|^gone$/)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

/** Returns the last reply. */
async function sendGoodMail({ send, socket }: SmtpConversation): Promise<string> {
  let reply = ''
  for (const line of ['EHLO mx.example.net', 'MAIL FROM:<>', `RCPT TO:<postmaster@${RETURN_PATH_DOMAIN}>`, 'DATA', `${MAIL}.`]) {
    reply = await send(line)
    if (!/^[23]/.test(reply)) break
  }
  socket.destroy()
  return reply
}

test(`${PEERS} peers drip 20 MB each`, async () => {
  daemon = await startDaemon({ env: { BOUNCED_LOG_LEVEL: 'error', BOUNCED_LIMITS_CONNECTIONS: '1100' } })
  const { smtpPort, process } = daemon
  const pid = process.pid ?? 0
  const drippers = Array.from({ length: PEERS }, (): Dripper => ({ sent: 0, inData: false, hasReachedData: false, ended: 0 }))
  const attack: Attack = { drips: false, isOver: false, offeredBytes: 0 }
  for (const [n, state] of drippers.entries()) startDripper(smtpPort, n, state, attack)
  let residentMb = 0
  const watching = setInterval(() => (residentMb = Math.max(residentMb, residentMemory(pid))), 100)
  await expect.poll(() => drippers.filter(({ hasReachedData }) => !hasReachedData).length).toBe(0)
  attack.drips = true
  const endedCount = (): number => drippers.reduce((sum, { ended }) => sum + ended, 0)
  for (let good = 0; good < GOOD_MAILS || endedCount() === 0 || attack.offeredBytes < OFFERED_BYTES; good++) {
    await deliver(smtpPort)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  attack.isOver = true
  clearInterval(watching)
  expect(residentMb).toBeLessThan(MAX_RESIDENT_MB)
})
