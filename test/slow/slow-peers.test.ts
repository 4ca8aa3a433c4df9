/**
 * slow-peers.test - a thousand connections that each drip a mail of 20 MB: memory stays within its bound, and a good mail still comes through
 */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { RETURN_PATH_DOMAIN, startDaemon, type Daemon } from '../support/daemon.ts'
import { MAIL, openConversation, type SmtpConversation } from '../support/smtp-listener.ts'

const PEERS = 1_000
const MAIL_BYTES = 20 * 1024 * 1024
const DRIP = Buffer.alloc(32 * 1024, 'x'.repeat(76) + '\r\n')
const DRIP_EVERY = 250
const SECONDS = 12

/** MB. At rest 210 at most, the budget’s 64, as much again as garbage of those that were ended, and 100 KB a connection. Kept in full the mails would be 5 GB. */
const BOUND = 480

let daemon: Daemon | null = null
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await daemon?.stop()
})

/** Nobody drips before all have got to DATA; nobody comes again once it is over. */
type Scene = { drips: boolean; isOver: boolean }

type Dripper = { sent: number; inData: boolean; ended: number }

/** A peer that gets as far as DATA, then drips, and comes again whenever it is ended. `n` gives it an address of its own network of 100. */
function startDripper(port: number, n: number, state: Dripper, scene: Scene): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.${1 + (n % 10)}.${1 + (n % 7)}` })
  sockets.push(socket)
  const script = [`EHLO slow${n}.example.net\r\n`, 'MAIL FROM:<>\r\n', `RCPT TO:<slow${n}@${RETURN_PATH_DOMAIN}>\r\n`, 'DATA\r\n']
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    const code = chunk.toString('latin1').slice(0, 3)
    if (code === '354') state.inData = true
    else if (code === '452') setTimeout(() => socket.writable && socket.write('MAIL FROM:<>\r\n'), 1_000)
    else if (code === '220' || code === '250') socket.write(script.shift() ?? '')
  })
  const dripping = setInterval(() => {
    if (!scene.drips || !state.inData || !socket.writable || state.sent >= MAIL_BYTES) return
    socket.write(DRIP)
    state.sent += DRIP.length
  }, DRIP_EVERY)
  socket.on('close', () => {
    clearInterval(dripping)
    if (state.inData) state.ended++
    state.inData = false
    state.sent = 0
    if (!scene.isOver) setTimeout(() => startDripper(port, n, state, scene), 1_000)
  })
}

/** Resident memory of a process, MB. */
function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1_024
}

/** Sends a good mail as a patient server does: 452 and 421 are tried again. Resolves to the number of tries. */
async function deliver(port: number): Promise<number> {
  for (let tries = 1; ; tries++) {
    const answer = await once(await openConversation(port, '127.0.99.1'))
    if (answer.startsWith('250')) return tries
    expect(answer).toMatch(/^4\d\d 4\./)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

async function once({ send: say, socket }: SmtpConversation): Promise<string> {
  let answer = ''
  for (const line of ['EHLO mx.example.net', 'MAIL FROM:<>', `RCPT TO:<postmaster@${RETURN_PATH_DOMAIN}>`, 'DATA', `${MAIL}.`]) {
    answer = await say(line)
    if (!/^[23]/.test(answer)) break
  }
  socket.destroy()
  return answer
}

test(`${PEERS} peers drip 20 MB each`, async () => {
  daemon = await startDaemon({ env: { BOUNCED_LOG_LEVEL: 'error', BOUNCED_LIMITS_CONNECTIONS: '1100' } })
  const { smtpPort, process } = daemon
  const pid = process.pid ?? 0
  const drippers = Array.from({ length: PEERS }, (): Dripper => ({ sent: 0, inData: false, ended: 0 }))
  const scene: Scene = { drips: false, isOver: false }
  for (const [n, state] of drippers.entries()) startDripper(smtpPort, n, state, scene)
  let most = 0
  let dripping = 0
  let good = 0
  const watching = setInterval(() => {
    most = Math.max(most, residentOf(pid))
    dripping = Math.max(dripping, drippers.filter(({ inData }) => inData).length)
  }, 100)
  await expect.poll(() => dripping, { timeout: 20_000 }).toBe(PEERS)
  scene.drips = true
  const end = Date.now() + SECONDS * 1_000
  while (Date.now() < end) {
    await deliver(smtpPort)
    good++
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  scene.isOver = true
  clearInterval(watching)
  const ended = drippers.reduce((sum, state) => sum + state.ended, 0)
  expect(good).toBeGreaterThan(0)
  expect(ended).toBeGreaterThan(0)
  expect(most).toBeLessThan(BOUND)
}, 60_000)
