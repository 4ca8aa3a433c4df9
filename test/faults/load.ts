/**
 * load - clients that submit messages and return bounces to several nodes, and never give up, as real ones do
 *
 * Remembers what was acknowledged. A submission whose answer is lost is repeated with its request id; a bounce whose reply is lost is sent again, to any node.
 */
import { createServer, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ndr } from '../support/reports.ts'
import { sendLoad } from '../support/smtp-load.ts'
import { API_KEY, API_USER } from '../support/daemon.ts'
import type { FaultyNode, Installation } from './installation.ts'

export type History = {
  /** Recipients whose submission was answered with success, with the fault that was caused last. */
  readonly submitted: Map<string, string>
  /** Recipients of registered mails whose bounce was answered with 250. */
  readonly bounced: Set<string>
  /** Events that the webhook receiver answered with 200, by recipient, in their order. */
  readonly notified: Map<string, string[]>
  /** When a node last acknowledged anything, on the monotonic clock. */
  lastAcknowledgedAt: number
  /** The longest time between two acknowledgements since a test set it to 0. */
  longestPauseMs: number
  /** When each client began what is not acknowledged yet, on the monotonic clock. */
  readonly waiting: Map<string, number>
  /** The fault that was caused last. */
  fault: string
}

export type Load = {
  readonly history: History
  /** Refuses webhook events from now on, or takes them again. */
  readonly setReceiverDown: (isDown: boolean) => void
  /** Lets the clients finish what they have begun, and ends. */
  readonly stop: () => Promise<void>
  readonly closeReceiver: () => void
}

/** Bounces that are registered ahead, unless the caller says otherwise. */
const REGISTERED = 2_000
const CLIENTS = 4

/** Registers mails and starts the clients. */
export async function startLoad(installation: Installation, registeredMails = REGISTERED): Promise<Load> {
  const history: History = {
    submitted: new Map(),
    bounced: new Set(),
    notified: new Map(),
    lastAcknowledgedAt: performance.now(),
    longestPauseMs: 0,
    waiting: new Map(),
    fault: 'none',
  }
  const receiver = { isDown: false, server: createServer() }
  const webhookUrl = await listen(receiver, history)
  const [first] = installation.nodes
  if (first === undefined) throw new Error('no node')
  await first.daemon.api('POST', '/v1/webhooks', { url: webhookUrl, events: ['request', 'invalid'], format: 'json' })
  const registered = await registerMails(first, registeredMails)
  const state = { isOver: false, nextSubmission: 0, nextBounce: 0 }
  const isOver = (): boolean => state.isOver
  const clients = Array.from({ length: CLIENTS }, (_, n) => [
    submitAll(installation, history, { isOver, next: () => state.nextSubmission++, offset: n }),
    bounceAll(installation, history, { isOver, next: () => registered[state.nextBounce++] ?? null, offset: n }),
  ]).flat()
  return {
    history,
    setReceiverDown: (isDown) => (receiver.isDown = isDown),
    stop: async () => {
      state.isOver = true
      await Promise.all(clients)
    },
    closeReceiver: () => receiver.server.close(),
  }
}

/** Answers webhook events and counts them by recipient. */
async function listen(receiver: { isDown: boolean; readonly server: Server }, { notified }: History): Promise<string> {
  receiver.server.on('request', (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      response.writeHead(receiver.isDown ? 503 : 200).end()
      if (receiver.isDown) return
      const event = String(Reflect.get(Object(JSON.parse(body)), 'event'))
      const recipients = new Set(Array.from(body.matchAll(/bounce\d+@[a-z0-9.]+/g), ([recipient]) => recipient))
      for (const recipient of recipients) notified.set(recipient, [...(notified.get(recipient) ?? []), event])
    })
  })
  await new Promise<void>((resolve) => receiver.server.listen(0, '127.0.0.1', resolve))
  const address = receiver.server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/hook`
}

type RegisteredMail = { readonly recipient: string; readonly returnPath: string }

async function registerMails({ daemon }: FaultyNode, count: number): Promise<readonly RegisteredMail[]> {
  const mails: RegisteredMail[] = []
  for (let at = 0; at < count; at += 500) {
    const recipients = Array.from({ length: 500 }, (_, n) => ({ recipient: `bounce${at + n}@r${(at + n) % 7}.example.net` }))
    const { body } = await daemon.api('POST', '/v1/messages', { from: 'news@example.com', recipients })
    const made: unknown = Reflect.get(Object(body), 'recipients')
    for (const each of Array.isArray(made) ? made : [])
      mails.push({ recipient: String(Reflect.get(each, 'recipient')), returnPath: String(Reflect.get(each, 'returnPath')) })
  }
  return mails
}

function noteAcknowledged(history: History, client: string): void {
  const now = performance.now()
  history.waiting.delete(client)
  history.longestPauseMs = Math.max(history.longestPauseMs, now - history.lastAcknowledgedAt)
  history.lastAcknowledgedAt = now
}

type Client<T> = { readonly isOver: () => boolean; readonly next: () => T; readonly offset: number }

/** The node to ask next: a client that got no answer tries another. */
const nodeFor = ({ nodes }: Installation, n: number): FaultyNode | undefined => nodes[n % nodes.length]

async function submitAll(installation: Installation, history: History, { isOver, next, offset }: Client<number>): Promise<void> {
  const client = `submits ${offset}`
  for (let attempts = offset; !isOver();) {
    const n = next()
    history.waiting.set(client, performance.now())
    const recipient = `${n % 10 === 0 ? 'gone' : 'user'}${n}@s${n % 5}.example.net`
    const form = new URLSearchParams({
      from: 'news@example.com',
      to: recipient,
      subject: 'x',
      plain: 'x',
      html: '<p>x</p>',
      sendRequestId: `r${n}`,
    })
    while (!(await submit(nodeFor(installation, attempts), form))) {
      attempts += 1
      await sleep(50)
    }
    history.submitted.set(recipient, history.fault)
    noteAcknowledged(history, client)
    await sleep(10)
  }
}

async function submit(node: FaultyNode | undefined, body: URLSearchParams): Promise<boolean> {
  const query = new URLSearchParams({ apiUser: API_USER, apiKey: API_KEY }).toString()
  try {
    const response = await fetch(`http://127.0.0.1:${node?.daemon.httpPort}/api/mail/send?${query}`, {
      method: 'POST',
      body,
      signal: AbortSignal.timeout(3_000),
    })
    const answer: unknown = await response.json()
    return response.status === 200 && Reflect.get(Object(answer), 'result') === true
  } catch {
    return false
  }
}

async function bounceAll(
  installation: Installation,
  history: History,
  { isOver, next, offset }: Client<RegisteredMail | null>,
): Promise<void> {
  const client = `bounces ${offset}`
  for (let attempts = offset; !isOver();) {
    const mail = next()
    if (mail === null) return
    history.waiting.set(client, performance.now())
    const raw = ndr({ token: mail.returnPath.split('@')[0] ?? '', recipient: mail.recipient })
    // Two servers that share a queue directory deliver one report twice, to two nodes at once.
    const twice = attempts % 5 === 0
    while (true) {
      const codes = await Promise.all(
        [attempts, ...(twice ? [attempts + 1] : [])].map((n) => sendBounce(nodeFor(installation, n), { to: mail.returnPath, raw })),
      )
      attempts += 1
      if (codes.includes(250)) break
      await sleep(50)
    }
    history.bounced.add(mail.recipient)
    noteAcknowledged(history, client)
    await sleep(10)
  }
}

async function sendBounce(node: FaultyNode | undefined, mail: { readonly to: string; readonly raw: string }): Promise<number | null> {
  const codes: number[] = []
  const mails = [{ id: mail.to, from: '', ...mail }]
  const sending = sendLoad({
    host: '127.0.0.1',
    port: node?.daemon.smtpPort ?? 0,
    connections: 1,
    next: () => mails.shift() ?? null,
    mailsPerConnection: 1,
    onReply: (_mail, code) => codes.push(code),
  })
  await Promise.race([sending, sleep(5_000)])
  return codes[0] ?? null
}
