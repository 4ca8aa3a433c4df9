/** provider-network.test - the providers as SMTP servers respond like the simulated ones, and their reports are read as such */
import { afterEach, expect, test } from 'vitest'
import { createSignatureVerifier } from '../../../src/mail-auth/signature-verifier.ts'
import { createMxResolver } from '../../../src/net/mx.ts'
import { readProviders } from '../../../src/config/provider-files.ts'
import { createSmtpTransport } from '../../../src/smtp-client/smtp-transport.ts'
import type { SmtpOutcome, OutgoingMail, Transport } from '../../../src/smtp-client/transport.ts'
import { startProviderNetwork } from '../../../src/simulator/smtp/provider-network.ts'
import { recipientNumberOf } from '../../../src/simulator/smtp/retry-memory.ts'
import { parseReport } from '../../../src/mail/report-parser.ts'
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

type NetworkOptions = Parameters<typeof startProviderNetwork>[0]
type Network = Awaited<ReturnType<typeof startProviderNetwork>>

async function startNetwork(options: Partial<NetworkOptions> = {}): Promise<{ network: Network; transport: Transport }> {
  const reportServer = (): { host: string; port: number } => ({ host: '127.0.0.1', port: 9 })
  const network = await startProviderNetwork({
    providers: shipped,
    reportServer,
    speed: SPEED,
    seed: 7,
    tls: false,
    ...options,
  })
  const transport = createSmtpTransport({
    router: network.route,
    addressesOf: () => Promise.resolve({ kind: 'none' }),
    ehloName: 'out.example.com',
    allowPrivate: true,
    timeouts: { greetingMs: 1_000 },
  })
  ends.push(transport.close, network.close)
  return { network, transport }
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
  '%s replies over SMTP as in a simulation',
  async (name) => {
    const mailboxes = { unknown: 0.3, disabled: 0.1, full: 0.1, content: 0.2, busy: 0.1 }
    const shippedFile = file(name)
    const known = Object.fromEntries(
      Object.entries(mailboxes).map(([each, share]) => [each, Object.hasOwn(shippedFile.answer, each) ? share : 0]),
    )
    const provider: ProviderFile = { ...shippedFile, mailboxes: { ...mailboxes, ...known }, pace: { ...shippedFile.pace, drop: 0 } }
    const { transport } = await startNetwork({ providers: new Map([['generic', provider]]) })
    const virtual = createSimulatedProvider(provider, 7, { outages: [], listings: [], priorDeliveries: new Map() })
    const domain = shippedFile.domains[0] ?? ''
    for (let n = 1; n <= 40; n++) {
      const to = `user${n}@${domain}`
      const outcome = await transport.send(mailTo(to, n))
      const response = respondToAttempt(virtual, {
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
      expect(outcome.text).toBe(response.text)
    }
  },
)

test('an unreachable provider refuses connections, a dropped connection is an error, and every domain has a provider', async () => {
  const generic = file('generic')
  const dropper = { ...generic, pace: { ...generic.pace, drop: 1 } }
  const { network, transport } = await startNetwork({ providers: new Map([...shipped, ['generic', dropper]]) })
  expect(short(await transport.send(mailTo('a@dead.test')))).toBe('connect')
  expect(short(await transport.send(mailTo('a@nobody-claims-this.example')))).toBe('dropped')
  const mx = createMxResolver({ lookUp: network.lookUp })
  expect(await mx.find('gmail.com')).toMatchObject({ kind: 'hosts', set: 'gmail-smtp-in.l.google.com' })
  expect(await mx.find('nobody-claims-this.example')).toMatchObject({ kind: 'hosts', set: 'mx.example.net' })
})

const short = (outcome: SmtpOutcome): string => (outcome.kind === 'reply' ? `${outcome.code} ${outcome.phase}` : outcome.error)

test('STARTTLS is offered and used', async () => {
  const { transport } = await startNetwork({ tls: true })
  expect(short(await transport.send(mailTo('someone@example.net')))).toMatch(/^(?:250 end|550 rcpt)$/)
})

test.each([
  // provider     sends complaints
  ['gmail', false],
  ['outlook', true],
  ['yahoo', true],
  ['qq', false],
  ['netease', false],
  ['generic', true],
] as const)('%s sends back signed reports in its own format that the parsers understand', async (name, sendsComplaints) => {
  const shippedFile = file(name)
  const none = { unknown: 0, disabled: 0, full: 0, content: 0, busy: 0 }
  const base: ProviderFile = { ...shippedFile, mailboxes: none, pace: { ...shippedFile.pace, drop: 0 } }
  const late = shippedFile.late === undefined ? undefined : { ...shippedFile.late, share: 1, answers: ['unknown'] }
  const daemon = await startScriptedPeer({})
  ends.push(daemon.close)
  const reportServer = (): { host: string; port: number } => ({ host: '127.0.0.1', port: daemon.port })
  const { network, transport } = await startNetwork({
    reportServer,
    providers: new Map([['generic', { ...base, late } as ProviderFile]]),
  })
  const to = `ann@${shippedFile.domains[0] ?? ''}`
  expect(short(await transport.send(mailTo(to, 1)))).toBe('250 end')
  await expect.poll(() => daemon.mails.length).toBe(1)
  const raw = unstuffed(daemon.mails[0] ?? '')
  const report = parseReport(raw)
  expect(report.kind).toBe('bounce')
  expect(report.recipients).toMatchObject([{ recipient: to, action: 'failed' }])
  expect(report.recipients[0]?.reply.code).toBe(Number(shippedFile.answer['unknown']?.text.slice(0, 3)))
  expect(report.envelopeId).toBe('env1')
  expect(daemon.receivedLines[0]?.find((line) => line.startsWith('RCPT'))).toContain('token1@bounce.example.com')
  if (!sendsComplaints) return
  const complaining: ProviderFile = {
    ...base,
    complaints: { share: 1, hours: [0, 0.01], arf: true, from: shippedFile.complaints?.from },
    late: undefined,
  }
  const other = await startNetwork({ reportServer, providers: new Map([['generic', complaining]]) })
  expect(short(await other.transport.send(mailTo(to, 2)))).toBe('250 end')
  await expect.poll(() => daemon.mails.length).toBe(2)
  const arf = unstuffed(daemon.mails[1] ?? '')
  const complaint = parseReport(arf)
  expect(complaint.kind).toBe('complaint')
  expect(complaint.complaint).toMatchObject({ feedbackType: 'abuse', sourceIp: '192.0.2.10' })
  expect(arf.toString()).not.toContain(to)
  const proofs = await createSignatureVerifier(other.network.lookUp).verify({ raw: arf, peer: null, helo: null, from: '' }, Date.now())
  expect(proofs.dkim).toMatchObject([{ valid: true, aligned: true }])
  expect(network.counts().get(shippedFile.name)?.reports).toBe(1)
})

const unstuffed = (text: string): Buffer => Buffer.from(`${text.replaceAll(/^\./gm, '')}\r\n`, 'latin1')
