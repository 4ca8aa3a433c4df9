/**
 * verify-request - checks that a request comes from the ESP of its source, and returns its events
 *
 * A signed request is taken for 25 hours: ESPs send an event again for a day. Repeating one changes nothing, because the facts of an event have the same
 * keys each time; only Mailgun signs a token instead of the event, so a token that was used for one body is refused for another.
 *
 * See also: esp-events/esp-signatures, esp-events/sns-message, service/esp/receive-events.
 */
import { hash } from 'node:crypto'
import type { Vault } from '../../config/vault.ts'
import { Fault } from '../../errors.ts'
import type { Esp, EspReading } from '../../esp-events/esp-event.ts'
import { hasPassword, isSendGridSignatureGood, parseSendGridKey, readMailgunToken } from '../../esp-events/esp-signatures.ts'
import { MAX_LIST_LENGTH, parseJsonText } from '../../esp-events/json-value.ts'
import { readMailgunEvents } from '../../esp-events/mailgun-events.ts'
import { readPostmarkEvents } from '../../esp-events/postmark-events.ts'
import { readSendGridEvents } from '../../esp-events/sendgrid-events.ts'
import { readSesEvents } from '../../esp-events/ses-events.ts'
import { isSnsSignatureGood, parseSnsMessage } from '../../esp-events/sns-message.ts'
import { readSparkPostEvents } from '../../esp-events/sparkpost-events.ts'
import type { EventSource } from '../../store/account/event-sources.ts'
import { claimEventToken } from '../../store/account/event-tokens.ts'
import type { Context } from '../context.ts'
import { EVENT_SOURCE_PURPOSE } from './event-sources.ts'
import type { SnsClient } from './sns-certificates.ts'

export type EspRequest = {
  readonly esp: Esp
  readonly sourceId: string
  readonly body: Uint8Array
  /** Header fields; names lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

export type VerifyTools = { readonly context: Context; readonly vault: Vault; readonly sns: SnsClient }
type Verify = (tools: VerifyTools, source: EventSource, request: EspRequest) => Promise<EspReading>

/** SendGrid and SNS try for up to a day. */
const MAX_AGE_MS = 25 * 3_600_000
/** The clock of a sender may be ahead. */
const MAX_AHEAD_MS = 300_000

const NOTHING: EspReading = { events: [], ignored: 0 }

const VERIFIERS: Readonly<Record<Esp, Verify>> = {
  ses: verifySns,
  sendgrid: verifySendGrid,
  mailgun: verifyMailgun,
  postmark: (tools, source, request) => verifyPassword(tools, source, request).then(readPostmarkEvents),
  sparkpost: (tools, source, request) => verifyPassword(tools, source, request).then(readSparkPostEvents),
}

/** The events of a request. Faults: unauthenticated, bad_request (the body is no JSON), overloaded (a certificate cannot be loaded), store_busy. */
export const verifyRequest: Verify = (tools, source, request) => VERIFIERS[source.esp](tools, source, request)

const refuse = (message: string): never => {
  throw new Fault('unauthenticated', message)
}

function requireFresh(now: number, at: number): void {
  if (at < now - MAX_AGE_MS || at > now + MAX_AHEAD_MS)
    refuse('the request is signed for another time: it is older than 25 hours, or a clock is wrong')
}

const textOf = ({ body }: EspRequest): string => Buffer.from(body).toString('utf8')

function jsonOf(request: EspRequest): unknown {
  const value = parseJsonText(textOf(request))
  if (value === null) throw new Fault('bad_request', 'the body is no JSON')
  if (Array.isArray(value) && value.length > MAX_LIST_LENGTH)
    throw new Fault('too_large', `a request may have ${MAX_LIST_LENGTH} events at most`)
  return value
}

function headerOf({ headers }: EspRequest, name: string): string {
  const value = headers[name]
  return typeof value === 'string' ? value : ''
}

const secretOf = ({ vault }: VerifyTools, { sealed }: EventSource): string =>
  sealed === null ? '' : vault.decrypt(sealed, EVENT_SOURCE_PURPOSE).toString('utf8')

async function verifySns(
  { context, sns }: VerifyTools,
  { account, sourceId, topics }: EventSource,
  request: EspRequest,
): Promise<EspReading> {
  const message = parseSnsMessage(textOf(request)) ?? refuse('this is no signed message of SNS (raw message delivery must be off)')
  // What costs a request of our own comes last.
  if (!topics.includes(message.topicArn)) refuse('this topic is not one of the source')
  requireFresh(context.now(), message.at)
  if (!isSnsSignatureGood(message, await sns.loadCertificate(message.certificateUrl))) refuse('the signature of SNS is not good')
  if (message.type === 'Notification') return readSesEvents(parseJsonText(message.message))
  const { log } = context.telemetry
  if (message.type === 'SubscriptionConfirmation') await sns.confirm(message.subscribeUrl ?? '')
  log.warn({ account, source: sourceId, topic: message.topicArn, type: message.type }, 'SNS subscription changed')
  return NOTHING
}

async function verifySendGrid(tools: VerifyTools, source: EventSource, request: EspRequest): Promise<EspReading> {
  const timestamp = headerOf(request, 'x-twilio-email-event-webhook-timestamp')
  const signature = headerOf(request, 'x-twilio-email-event-webhook-signature')
  const key = parseSendGridKey(secretOf(tools, source)) ?? refuse('the key of this source cannot be read')
  if (!/^\d{1,12}$/.test(timestamp) || !isSendGridSignatureGood(key, { timestamp, signature, body: request.body }))
    refuse('the signature of SendGrid is not good')
  requireFresh(tools.context.now(), Number(timestamp) * 1_000)
  return readSendGridEvents(jsonOf(request))
}

async function verifyMailgun(tools: VerifyTools, source: EventSource, request: EspRequest): Promise<EspReading> {
  const body = jsonOf(request)
  const { token, at } = readMailgunToken(secretOf(tools, source), body) ?? refuse('the signature of Mailgun is not good')
  const { engine, now } = tools.context
  requireFresh(now(), at)
  const { account, sourceId } = source
  const claim = { account, sourceId, token: hash('sha256', token), body: hash('sha256', request.body), receivedAt: now() }
  const isClaimed = await engine.tx((db) => claimEventToken(db, claim, now() - 2 * MAX_AGE_MS))
  return isClaimed ? readMailgunEvents(body) : refuse('this token was used for another event')
}

async function verifyPassword(tools: VerifyTools, source: EventSource, request: EspRequest): Promise<unknown> {
  if (!hasPassword(headerOf(request, 'authorization'), secretOf(tools, source))) refuse('the password of this source is not right')
  return jsonOf(request)
}
