/**
 * bridge - takes webhooks of bounced in the format `bounced`, and tells listmonk or Mautic about addresses that must not be mailed again
 *
 * Answers 204 when the program has taken the event or it does not concern it, 401 for a wrong signature, 502 when the program does not answer: then
 * bounced sends the event again. An event may come twice; both programs take that.
 *
 * Standard Webhooks (standardwebhooks.com). See also: docs/guides/NEWSLETTER-PROGRAMS.md, docs/WEBHOOKS.md.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const { BRIDGE_TARGET, BRIDGE_URL = '', BRIDGE_USER, BRIDGE_PASSWORD, BRIDGE_SECRET = '', BRIDGE_PORT = '8090' } = process.env
const MAX_OCTETS = 1_048_576
const MAX_AGE_SECONDS = 300
const TIMEOUT_MS = 10_000

/** What an event says about an address: hard, soft, complaint, or null. */
function kindOf({ event, outcome }) {
  if (event === 'report_spam') return 'complaint'
  // A blocked IP or a refused text says nothing about the address.
  if (!['recipient', 'mailbox'].includes(outcome?.fault) || outcome.weak || outcome.forwarded) return null
  if (event === 'soft_bounce') return 'soft'
  return event === 'invalid' && outcome.permanence === 'permanent' && outcome.fault === 'recipient' ? 'hard' : null
}

async function call(path, options = {}) {
  const authorization = `Basic ${Buffer.from(`${BRIDGE_USER}:${BRIDGE_PASSWORD}`).toString('base64')}`
  const response = await fetch(new URL(path, BRIDGE_URL), {
    ...options,
    headers: { authorization, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
  return response.json()
}

const post = (path, body) => call(path, { method: 'POST', body: JSON.stringify(body) })

/** https://listmonk.app/docs/bounces/ */
async function tellListmonk(kind, email, { outcome }) {
  const meta = JSON.stringify({ reason: outcome?.reason ?? kind, reply: outcome?.text ?? '' })
  await post('/webhooks/bounce', { email, source: 'bounced', type: kind, meta })
}

/** Reasons of Mautic's do-not-contact: 1 unsubscribed, 2 bounced. */
const MAUTIC_REASONS = { complaint: 1, hard: 2 }

async function tellMautic(kind, email, { outcome }) {
  const reason = MAUTIC_REASONS[kind]
  if (reason === undefined) return
  const { contacts } = await call(`/api/contacts?minimal=1&search=${encodeURIComponent(`email:${email}`)}`)
  // An empty result is an empty array, a full one an object by id.
  for (const id of Object.keys(contacts)) await post(`/api/contacts/${id}/dnc/email/add`, { reason, comments: outcome?.text ?? kind })
}

const TARGETS = { listmonk: tellListmonk, mautic: tellMautic }

function isSigned(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signatures = '' } = headers
  if (!(Math.abs(Date.now() / 1_000 - Number(at)) < MAX_AGE_SECONDS)) return false
  const key = Buffer.from(BRIDGE_SECRET.replace(/^whsec_/, ''), 'base64')
  const wanted = Buffer.from(`v1,${createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest('base64')}`)
  return signatures.split(' ').some((one) => one.length === wanted.length && timingSafeEqual(Buffer.from(one), wanted))
}

async function readBody(request) {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size <= MAX_OCTETS) chunks.push(chunk)
  }
  return size <= MAX_OCTETS ? Buffer.concat(chunks) : null
}

async function answer(request) {
  const body = await readBody(request)
  if (body === null) return 413
  if (request.method !== 'POST' || !isSigned(request.headers, body)) return 401
  const event = JSON.parse(body.toString())
  const kind = event.message === null ? null : kindOf(event)
  if (kind !== null) await TARGETS[BRIDGE_TARGET](kind, event.message.recipient, event)
  return 204
}

if (!Object.hasOwn(TARGETS, BRIDGE_TARGET ?? '') || !URL.canParse(BRIDGE_URL) || BRIDGE_SECRET === '') {
  console.error('set BRIDGE_TARGET (listmonk or mautic), BRIDGE_URL, BRIDGE_USER, BRIDGE_PASSWORD and BRIDGE_SECRET')
  process.exit(2)
}

const server = createServer((request, response) => {
  answer(request).then(
    (status) => response.writeHead(status).end(),
    (error) => {
      console.error(`bridge: ${error.message}`)
      response.writeHead(502).end()
    },
  )
})
server.listen(Number(BRIDGE_PORT), '127.0.0.1', () => console.log(`ready port=${server.address().port}`))
