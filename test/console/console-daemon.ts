/**
 * console-daemon - a daemon with a user of each role, a browser that is signed in as one of them, and a store with texts of strangers
 */
import type { BrowserContext } from 'playwright-core'
import { createTransport } from 'nodemailer'
import { API_KEY, API_USER, RETURN_PATH_DOMAIN, startDaemon, type Daemon } from '../support/daemon.ts'

export type Reader = 'viewer' | 'operator' | 'admin' | 'account'

const PASSWORD = 'correct horse battery'

export const urlOf = ({ httpPort }: Daemon): string => `http://127.0.0.1:${httpPort}`

async function post(url: string, body: object, headers: Record<string, string>): Promise<Response> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return response
}

/** Signs in and returns the headers of a session. */
async function startSession(url: string, credentials: object): Promise<Record<string, string>> {
  const response = await post(`${url}/v1/session`, credentials, { 'x-csrf-token': 'none' })
  const cookie = (response.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  const { csrfToken }: { csrfToken: string } = await response.json()
  return { cookie, 'x-csrf-token': csrfToken }
}

/** `operator` is no name of a user. */
const nameOf = (reader: Reader): string => `the-${reader}`

const credentialsOf = (reader: Reader): object =>
  reader === 'account' ? { apiUser: API_USER, apiKey: API_KEY } : { name: nameOf(reader), password: PASSWORD }

/** Starts a daemon on a new store and makes a user for each role, all by their links. */
export async function startConsole(env: Record<string, string> = {}): Promise<Daemon> {
  const daemon = await startDaemon({ env: { BOUNCED_CONSOLE_ENABLED: 'true', ...env } })
  const url = urlOf(daemon)
  const redeem = async (token: string, more: object): Promise<void> =>
    void (await post(`${url}/v1/session/link`, { token, password: PASSWORD, ...more }, { 'x-csrf-token': 'none' }))
  await redeem(/welcome#([\w-]+)/.exec(daemon.output())?.[1] ?? '', { name: nameOf('admin') })
  const session = await startSession(url, credentialsOf('admin'))
  for (const role of ['viewer', 'operator'] as const) {
    const made: { url: string } = await (await post(`${url}/v1/users`, { name: nameOf(role), role }, session)).json()
    await redeem(new URL(made.url).hash.slice(1), {})
  }
  return daemon
}

/** Gives a browser the cookie of a new session. */
export async function signInAs(context: BrowserContext, daemon: Daemon, reader: Reader): Promise<void> {
  const { cookie = '' } = await startSession(urlOf(daemon), credentialsOf(reader))
  const [name = '', value = ''] = cookie.split('=')
  await context.addCookies([{ name, value, url: urlOf(daemon), httpOnly: true, sameSite: 'Strict' }])
}

/** Ends every session of a user, as another browser would. */
export async function signOutEverywhere(daemon: Daemon, reader: Reader): Promise<void> {
  const session = await startSession(urlOf(daemon), credentialsOf(reader))
  const response = await fetch(`${urlOf(daemon)}/v1/session?everywhere=true`, { method: 'DELETE', headers: session })
  if (!response.ok) throw new Error(await response.text())
}

/** Markup, quotes, another direction, what hides and what is very long: in each text that comes from outside. */
export const HOSTILE = `"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u202Eevil\u202C' & {{7*7}} ${'W'.repeat(300)}`

/** What a store with hostile texts has: the ids of a message and of a mail in the operator's inbox. */
export type HostileStore = { readonly emailId: string; readonly inboxId: string }

/** For the daemon of {@link fillWithHostileTexts}: the webhook endpoint of the store is on loopback, and refuses connections. */
export const HOSTILE_STORE = { BOUNCED_WEBHOOKS_ALLOW_PRIVATE: 'true' }

/**
 * Registers messages with hostile texts, refuses one with a hostile reply, puts an entry with a hostile note on a list, adds a webhook endpoint, and sends
 * a hostile report that no message matches.
 */
export async function fillWithHostileTexts(daemon: Daemon): Promise<HostileStore> {
  const request = async (method: string, path: string, body?: unknown, auth?: string): Promise<unknown> => {
    const answer = await daemon.api(method, path, body, auth)
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  await request('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/a?b=<script>', format: 'bounced', name: HOSTILE.slice(0, 100) })
  const made = await request('POST', '/v1/messages', {
    from: 'news@example.com',
    subject: HOSTILE,
    label: HOSTILE.slice(0, 128),
    recipients: ['ann@example.org', `${'x'.repeat(60)}@${'long-label.'.repeat(15)}example.org`, 'bob@example.net'],
    headers: { 'X-Campaign': HOSTILE.slice(0, 200) },
  })
  const { recipients } = made as { recipients: { emailId: string }[] }
  const emailId = recipients[0]?.emailId ?? ''
  await request('POST', '/v1/attempts', { emailId, code: 550, text: `5.1.1 User unknown ${HOSTILE}` })
  await request('POST', '/v1/suppressions/block/add', { addresses: ['eve@example.org'], note: HOSTILE.slice(0, 200) })
  await sendHostileReport(daemon)
  const bearer = /Bearer (\S+)/.exec(daemon.output())?.[1] ?? ''
  const { items } = (await request('GET', '/v1/inbox', undefined, `Bearer ${bearer}`)) as { items: { id: string }[] }
  return { emailId, inboxId: items[0]?.id ?? '' }
}

/** A report in 30 nested parts, with markup, NUL and a word of 10 KB in its fields. */
async function sendHostileReport({ smtpPort }: Daemon): Promise<void> {
  const word = `${HOSTILE}\u0000${'w'.repeat(10_000)}`
  const nested = Array.from({ length: 30 }, (_, n) => `Content-Type: multipart/mixed; boundary="b${n}"\r\n\r\n--b${n}\r\n`).join('')
  const status = `Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; <b>joe</b>@example.net\r\nAction: failed<b>\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 ${HOSTILE}\r\n`
  const body = `Content-Type: multipart/report; report-type=delivery-status; boundary="r"\r\n\r\n--r\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${word}\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\n${status}\r\n--r\r\n`
  const subject = `=?utf-8?B?${Buffer.from(HOSTILE).toString('base64')}?=`
  const raw = `From: MAILER-DAEMON@example.net\r\nTo: x@${RETURN_PATH_DOMAIN}\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\n${body}${nested}deep\r\n`
  const transport = createTransport({ host: '127.0.0.1', port: smtpPort, ignoreTLS: true })
  await transport.sendMail({ envelope: { from: '', to: `zrizwxeurb7tavksv7hnzc6e7gyabi@${RETURN_PATH_DOMAIN}` }, raw })
  transport.close()
}
