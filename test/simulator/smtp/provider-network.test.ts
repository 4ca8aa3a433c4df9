/** provider-network.test - the providers as real servers: they say what the virtual ones say, and what they send back is read as theirs. */
import { afterEach, expect, test } from 'vitest'
import { createSignatureVerifier } from '../../../src/mail-auth/verify-signatures.ts'
import { createMxResolver } from '../../../src/net/mx.ts'
import { readProviders } from '../../../src/config/provider-files.ts'
import { createSmtpTransport } from '../../../src/smtp-client/smtp-transport.ts'
import type { SmtpOutcome, OutgoingMail, Transport } from '../../../src/smtp-client/transport.ts'
import { type ProviderNetwork, type ProviderNetworkOptions, startProviderNetwork } from '../../../src/simulator/smtp/provider-network.ts'
import { recipientNumberOf } from '../../../src/simulator/smtp/retry-memory.ts'
import { parseReport } from '../../../src/mail/report.ts'
import { createSimulatedProvider, respondToAttempt } from '../../../src/simulator/provider-model.ts'
import type { ProviderFile } from '../../../src/simulator/provider-file.ts'
import { startScriptedPeer } from '../../support/peer.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const shipped = readProviders()
const file = (name: string): ProviderFile => {
  const found = shipped.get(name)
  if (found === undefined) throw new Error(name)
  return found
}
const SPEED = 36_000

async function labOf(wish: Partial<ProviderNetworkOptions> = {}): Promise<{ lab: ProviderNetwork; transport: Transport }> {
  const home = (): { host: string; port: number } => ({ host: '127.0.0.1', port: 9 })
  const lab = await startProviderNetwork({ providers: shipped, reportServer: home, speed: SPEED, seed: 7, tls: false, ...wish })
  const transport = createSmtpTransport({
    router: lab.route,
    addressesOf: () => Promise.resolve({ kind: 'none' }),
    ehloName: 'out.example.com',
    allowPrivate: true,
    timeouts: { greetingMs: 1_000 },
  })
  ends.push(transport.close, lab.close)
  return { lab, transport }
}

const HEAD =
  'From: News <news@example.com>\r\nTo: {to}\r\nSubject: Grüße\r\nMessage-ID: <1@example.com>\r\nCFBL-Address: fbl@fbl.example.com\r\n'
const mailTo = (to: string, n = 0): OutgoingMail => ({
  egressIp: '192.0.2.10',
  domain: to.slice(to.indexOf('@') + 1),
  mailFrom: `token${n}@bounce.example.com`,
  to,
  raw: Buffer.from(`${HEAD.replace('{to}', to)}\r\nhello\r\n`),
  isProbe: false,
  envelopeId: `env${n}`,
})

test.each(['gmail', 'outlook', 'yahoo', 'qq', 'netease', 'generic', 'greylister'])(
  '%s answers over SMTP what it answers in a simulation',
  async (name) => {
    const mailboxes = { unknown: 0.3, disabled: 0.1, full: 0.1, content: 0.2, busy: 0.1 }
    const of = file(name)
    const known = Object.fromEntries(Object.entries(mailboxes).map(([each, share]) => [each, Object.hasOwn(of.answer, each) ? share : 0]))
    const provider: ProviderFile = { ...of, mailboxes: { ...mailboxes, ...known }, pace: { ...of.pace, drop: 0 } }
    const { transport } = await labOf({ providers: new Map([['generic', provider]]) })
    const virtual = createSimulatedProvider(provider, 7, { outages: [], listings: [], priorDeliveries: new Map() })
    const domain = of.domains[0] ?? ''
    for (let n = 1; n <= 40; n++) {
      const to = `user${n}@${domain}`
      const told = await transport.send(mailTo(to, n))
      const met = respondToAttempt(virtual, {
        recipientNumber: recipientNumberOf(to),
        messageNumber: n,
        attempt: 1,
        at: Date.now(),
        firstAt: Date.now(),
        ip: '192.0.2.10',
        senderDomain: 'bounce.example.com',
        recipient: to,
        domain,
        id: `${n}-1`,
        connections: 1,
        mailboxes: provider.mailboxes,
      })
      expect(told.text).toBe(met.text)
    }
  },
)

test('who is not there cannot be reached, a line that drops drops, and every domain is somebody’s', async () => {
  const generic = file('generic')
  const dropper = { ...generic, pace: { ...generic.pace, drop: 1 } }
  const { lab, transport } = await labOf({ providers: new Map([...shipped, ['generic', dropper]]) })
  expect(short(await transport.send(mailTo('a@dead.test')))).toBe('connect')
  expect(short(await transport.send(mailTo('a@nobody-claims-this.example')))).toBe('dropped')
  const mx = createMxResolver({ lookUp: lab.lookUp })
  expect(await mx.find('gmail.com')).toMatchObject({ kind: 'hosts', set: 'gmail-smtp-in.l.google.com' })
  expect(await mx.find('nobody-claims-this.example')).toMatchObject({ kind: 'hosts', set: 'mx.example.net' })
})

const short = (told: SmtpOutcome): string => (told.kind === 'reply' ? `${told.code} ${told.phase}` : told.error)

test('STARTTLS is offered and used', async () => {
  const { transport } = await labOf({ tls: true })
  expect(short(await transport.send(mailTo('someone@example.net')))).toMatch(/^(?:250 end|550 rcpt)$/)
})

test.each([
  // provider     format that is read     complains
  ['gmail', false],
  ['outlook', true],
  ['yahoo', true],
  ['qq', false],
  ['netease', false],
  ['generic', true],
] as const)('%s sends back a report in its own words, signed, that our readers understand', async (name, complains) => {
  const of = file(name)
  const none = { unknown: 0, disabled: 0, full: 0, content: 0, busy: 0 }
  const base: ProviderFile = { ...of, mailboxes: none, pace: { ...of.pace, drop: 0 } }
  const late = of.late === undefined ? undefined : { ...of.late, share: 1, answers: ['unknown'] }
  const daemon = await startScriptedPeer({})
  ends.push(daemon.close)
  const home = (): { host: string; port: number } => ({ host: '127.0.0.1', port: daemon.port })
  const { lab, transport } = await labOf({ reportServer: home, providers: new Map([['generic', { ...base, late } as ProviderFile]]) })
  const to = `ann@${of.domains[0] ?? ''}`
  expect(short(await transport.send(mailTo(to, 1)))).toBe('250 end')
  await expect.poll(() => daemon.mails.length, { timeout: 15_000 }).toBe(1)
  const raw = unstuffed(daemon.mails[0] ?? '')
  const report = parseReport(raw)
  expect(report.kind).toBe('bounce')
  expect(report.recipients).toMatchObject([{ recipient: to, action: 'failed' }])
  expect(report.recipients[0]?.reply.code).toBe(Number(of.answer['unknown']?.text.slice(0, 3)))
  expect(report.envelopeId).toBe('env1')
  expect(daemon.receivedLines[0]?.find((line) => line.startsWith('RCPT'))).toContain('token1@bounce.example.com')
  if (!complains) return
  const complaining: ProviderFile = {
    ...base,
    complaints: { share: 1, hours: [0, 0.01], arf: true, from: of.complaints?.from },
    late: undefined,
  }
  const other = await labOf({ reportServer: home, providers: new Map([['generic', complaining]]) })
  expect(short(await other.transport.send(mailTo(to, 2)))).toBe('250 end')
  await expect.poll(() => daemon.mails.length, { timeout: 15_000 }).toBe(2)
  const arf = unstuffed(daemon.mails[1] ?? '')
  const complaint = parseReport(arf)
  expect(complaint.kind).toBe('complaint')
  expect(complaint.complaint).toMatchObject({ feedbackType: 'abuse', sourceIp: '192.0.2.10' })
  expect(arf.toString()).not.toContain(to)
  const proofs = await createSignatureVerifier(other.lab.lookUp)({ raw: arf, peer: null, helo: null, from: '' }, Date.now())
  expect(proofs.dkim).toMatchObject([{ valid: true, aligned: true }])
  expect(lab.counts().get(of.name)?.reports).toBe(1)
})

const unstuffed = (text: string): Buffer => Buffer.from(`${text.replaceAll(/^\./gm, '')}\r\n`, 'latin1')
