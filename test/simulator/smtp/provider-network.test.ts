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

const NO_TROUBLE = { unknown: 0, disabled: 0, full: 0, content: 0, busy: 0 }

/** One new connection a day. */
const CONNECTION_LIMIT = {
  id: 'one',
  key: 'ip',
  counts: 'connections',
  fixed: true,
  window: 'day',
  count: 1,
  cold: 1,
  warm_after: 0,
  answer: 'connections',
  holds_minutes: 0,
  extends_seconds: 0,
  holds_at_most_minutes: 0,
} as const

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
    // How many messages a connection carries is the client's choice.
    const provider: ProviderFile = {
      ...shippedFile,
      mailboxes: { ...mailboxes, ...known },
      pace: { ...shippedFile.pace, drop: 0 },
      connections: undefined,
      tls: undefined,
    }
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
        session: { isNew: n === 1, mails: n - 1, isEncrypted: false },
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

/** strict-postfix without chance, limits or reports. */
function quietPostfix(): ProviderFile {
  const strict = file('strict-postfix')
  return { ...strict, limit: [], mailboxes: NO_TROUBLE, pace: { ...strict.pace, drop: 0 }, complaints: undefined, late: undefined }
}

test('a connection that has carried its messages is refused at MAIL', async () => {
  const connections = { count: 9, answer: 'connections', mails: 1, mails_answer: 'ip-rate' }
  const { transport } = await startNetwork({ providers: new Map([['generic', { ...quietPostfix(), connections }]]) })
  let n = 0
  const send = async (): Promise<string> => short(await transport.send(mailTo(`user${(n += 1)}@strict.example`, n)))
  expect(await send()).toBe('250 end')
  // The connection is used again as soon as it is in the pool.
  await expect.poll(send).toBe('450 mail')
})

test('a provider that demands TLS refuses MAIL without it', async () => {
  const { network, transport } = await startNetwork({ providers: new Map([['generic', quietPostfix()]]), tls: true })
  const router: typeof network.route = async (domain) => {
    const found = await network.route(domain)
    return found.kind === 'route' ? { ...found, nextHops: found.nextHops.map((each) => ({ ...each, tls: 'off' })) } : found
  }
  const addressesOf = () => Promise.resolve({ kind: 'none' } as const)
  const plain = createSmtpTransport({ router, addressesOf, ehloName: 'out.example.com', allowPrivate: true })
  ends.push(plain.close)
  expect(short(await plain.send(mailTo('user1@strict.example', 1)))).toBe('530 mail')
  expect(short(await transport.send(mailTo('user2@strict.example', 2)))).toBe('250 end')
})

test.each([
  // what is changed in strict-postfix, and the replies to two messages
  ['listed', {}, ['554 greeting', '554 greeting']],
  ['connections', { limit: [CONNECTION_LIMIT] }, ['250 end', '421 greeting']],
  ['content', { mailboxes: { ...NO_TROUBLE, content: 1 } }, ['550 end', '550 end']],
  ['closing', { connections: { count: 9, answer: 'connections', mails: 1 }, limit: [CONNECTION_LIMIT] }, ['250 end', '421 greeting']],
] as const)('%s: the client sees each refusal in its phase', async (name, over, want) => {
  const provider = { ...quietPostfix(), ...over } as ProviderFile
  const listings = name === 'listed' ? [{ ip: '192.0.2.10', from: 0, to: Infinity }] : []
  const conditionsOf = () => ({ outages: [], listings, priorDeliveries: new Map<string, number>() })
  const { transport } = await startNetwork({ providers: new Map([['generic', provider]]), conditionsOf })
  const send = async (n: number, isProbe = false): Promise<string> =>
    short(await transport.send({ ...mailTo(`user${n}@strict.example`, n), isProbe }))
  expect([await send(1), await send(2, name === 'connections')]).toEqual(want)
})

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
  const base: ProviderFile = { ...shippedFile, mailboxes: NO_TROUBLE, pace: { ...shippedFile.pace, drop: 0 } }
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
