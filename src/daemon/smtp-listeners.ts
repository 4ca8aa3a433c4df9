/**
 * smtp-listeners - the SMTP listeners of the daemon, each with its share of the settings: for reports, and for senders
 *
 * See also: app (opens and closes them), smtp-server/listener, smtp-server/submission-session.
 */
import { hostname } from 'node:os'
import type { Keys } from '../http/server/authenticate.ts'
import { loadCertificate, makeCertificate } from '../net/certificate.ts'
import type { Certificate } from '../net/certificate.ts'
import { Fault } from '../errors.ts'
import type { SmtpLimits } from '../smtp-server/listener-options.ts'
import { listenSmtp } from '../smtp-server/listener.ts'
import type { SmtpListener } from '../smtp-server/listener.ts'
import { listenSubmission } from '../smtp-server/submission-session.ts'
import type { Hooks } from './outbound-services.ts'
import type { Settings } from '../settings/schema.ts'
import { MAX_RECIPIENTS } from '../compose/x-smtpapi.ts'
import { createQuota } from '../http/server/rate-limit.ts'
import type { Receiver } from '../service/receive/receive.ts'
import type { Shop } from '../service/context.ts'
import type { Submit } from '../service/submit/submit.ts'

/** Why a door could not be opened, in words that say what to set. */
const SHUT: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'may not be opened by this user',
  EADDRNOTAVAIL: 'cannot be had: the host (BOUNCED_HOST) is no address of this machine',
}

/** Faults: conflict, naming the port and the variable that sets it. */
export async function atPort<T>(settings: Settings, door: 'http' | 'smtp' | 'submission', open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : null
    const why = typeof code === 'string' ? SHUT[code] : undefined
    if (why === undefined) throw cause
    const { port = 0 } = settings[door]
    const host = (door === 'submission' ? settings.submission.host : undefined) ?? settings.host
    const where = `port ${port} on ${host}`
    throw new Fault('conflict', `${where} ${why}; choose another with BOUNCED_${door.toUpperCase()}_PORT`, { cause })
  }
}

/** Who takes what comes in. */
export type Takers = { readonly receiver: Receiver; readonly hooks: Hooks }

/** The door for reports and routed mail. Faults: config_invalid (certificate, proxyPeers). */
export async function openSmtp(settings: Settings, { telemetry, book }: Shop, { receiver, hooks }: Takers): Promise<SmtpListener> {
  const { routeDoor } = hooks
  return listenSmtp({
    host: settings.host,
    port: settings.smtp.port,
    hostname: settings.smtp.name ?? hostname(),
    domains: [settings.returnPathDomain, settings.feedbackDomain],
    proxyPeers: settings.smtp.proxyPeers,
    tls: certificateOf(settings),
    limits: smtpLimits(settings),
    telemetry,
    now: Date.now,
    isCut: async (peer) => (await book.open()).cuts.refuses(peer),
    isRouted: routeDoor.takes,
    // What is no account's own mail is a report. So is mail to a domain that its account has lost since RCPT: it waits in the inbox.
    submit: async (mail) => (await routeDoor.submit(mail)) || receiver.submit(mail),
  })
}

/** Wrong keys a minute of one name from one address: a program that was set up wrongly tries as often, a guesser millions of times. */
const FAILED_SIGN_INS = 30

export type SubmissionWish = { readonly keys: Keys; readonly submit: Submit }

/** The door for senders; null where none is wanted. Faults: config_invalid (certificate, proxyPeers). */
export async function openSubmission(settings: Settings, { telemetry, book }: Shop, wish: SubmissionWish): Promise<SmtpListener | null> {
  const { port, host, plainAuth, mailBytes } = settings.submission
  if (port === undefined) return null
  return listenSubmission({
    host: host ?? settings.host,
    port,
    hostname: settings.smtp.name ?? hostname(),
    proxyPeers: settings.smtp.proxyPeers,
    tls: certificateOf(settings),
    limits: { ...smtpLimits(settings), recipientsPerMail: MAX_RECIPIENTS, mailSize: mailBytes, advertisedSize: mailBytes },
    telemetry,
    now: Date.now,
    isCut: async (peer) => (await book.open()).cuts.refuses(peer),
    signIn: wish.keys.account,
    failures: createQuota(FAILED_SIGN_INS),
    isPlainAllowed: plainAuth,
    send: wish.submit,
  })
}

export function hasCertificate({ tls }: Settings): boolean {
  return tls.cert !== undefined && tls.key !== undefined
}

export function certificateOf(settings: Settings): Certificate {
  const { cert, key } = settings.tls
  if (cert !== undefined && key !== undefined) return loadCertificate({ cert, key })
  return makeCertificate(settings.smtp.name ?? settings.returnPathDomain, Date.now())
}

function smtpLimits({ limits }: Settings): SmtpLimits {
  return {
    ...limits,
    idleTimeout: limits.idleSeconds * 1_000,
    commandTimeout: limits.commandSeconds * 1_000,
    dataTimeout: limits.dataSeconds * 1_000,
    dataGrace: limits.dataGraceSeconds * 1_000,
    closeTimeout: limits.closeSeconds * 1_000,
  }
}
