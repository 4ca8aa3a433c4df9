/**
 * smtp-listeners - the SMTP listeners of the daemon, each with its share of the settings: for reports, and for senders
 *
 * See also: app (opens and closes them), smtp-server/listener, smtp-server/submission-session.
 */
import { hostname } from 'node:os'
import type { CredentialStore } from '../http/server/authenticate.ts'
import { loadCertificate, createSelfSignedCertificate } from '../net/certificate.ts'
import type { Certificate } from '../net/certificate.ts'
import { Fault } from '../errors.ts'
import type { ListenerLimits } from '../smtp-server/listener-options.ts'
import { startReportListener } from '../smtp-server/listener.ts'
import type { SmtpListener } from '../smtp-server/listener.ts'
import { startSubmissionListener } from '../smtp-server/submission-session.ts'
import type { OutboundServices } from './outbound-services.ts'
import type { Settings } from '../settings/schema.ts'
import { MAX_XSMTPAPI_RECIPIENTS } from '../compose/x-smtpapi.ts'
import { createFixedWindowLimit } from '../http/server/rate-limit.ts'
import type { Receiver } from '../service/receive/receive.ts'
import type { Context } from '../service/context.ts'
import type { Submit } from '../service/submit/submit.ts'

/** Why a door could not be opened, in words that say what to set. */
const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'may not be opened by this user',
  EADDRNOTAVAIL: 'cannot be had: the host (BOUNCED_HOST) is no address of this machine',
}

/** Faults: conflict, naming the port and the variable that sets it. */
export async function explainListenErrors<T>(
  settings: Settings,
  listener: 'http' | 'smtp' | 'submission',
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : null
    const explanation = typeof code === 'string' ? LISTEN_ERRORS[code] : undefined
    if (explanation === undefined) throw cause
    const { port = 0 } = settings[listener]
    const host = (listener === 'submission' ? settings.submission.host : undefined) ?? settings.host
    const address = `port ${port} on ${host}`
    throw new Fault('conflict', `${address} ${explanation}; choose another with BOUNCED_${listener.toUpperCase()}_PORT`, { cause })
  }
}

/** Who takes what comes in. */
export type IncomingMailHandlers = { readonly receiver: Receiver; readonly outbound: OutboundServices }

/** The door for reports and routed mail. Faults: config_invalid (certificate, proxyPeers). */
export async function openInboundListener(
  settings: Settings,
  { telemetry, accountCache }: Context,
  { receiver, outbound }: IncomingMailHandlers,
): Promise<SmtpListener> {
  const { forwarder } = outbound
  return startReportListener({
    host: settings.host,
    port: settings.smtp.port,
    hostname: settings.smtp.name ?? hostname(),
    domains: [settings.returnPathDomain, settings.feedbackDomain],
    proxyPeers: settings.smtp.proxyPeers,
    tls: loadOrMakeCertificate(settings),
    limits: smtpLimitsOf(settings),
    telemetry,
    now: Date.now,
    isBlocked: async (peer) => (await accountCache.snapshot()).blocks.isPeerBlocked(peer),
    isForwarded: forwarder.accepts,
    // What is no account's own mail is a report. So is mail to a domain that its account has lost since RCPT: it waits in the inbox.
    submit: async (mail) => (await forwarder.submit(mail)) || receiver.submit(mail),
  })
}

/** Wrong keys a minute of one name from one address: a program that was set up wrongly tries as often, a guesser millions of times. */
const MAX_FAILED_SIGN_INS_PER_MINUTE = 30

export type SubmissionDependencies = { readonly keys: CredentialStore; readonly submit: Submit }

/** The door for senders; null where none is wanted. Faults: config_invalid (certificate, proxyPeers). */
export async function openSubmissionListener(
  settings: Settings,
  { telemetry, accountCache }: Context,
  dependencies: SubmissionDependencies,
): Promise<SmtpListener | null> {
  const { port, host, plainAuth, mailBytes } = settings.submission
  if (port === undefined) return null
  return startSubmissionListener({
    host: host ?? settings.host,
    port,
    hostname: settings.smtp.name ?? hostname(),
    proxyPeers: settings.smtp.proxyPeers,
    tls: loadOrMakeCertificate(settings),
    limits: { ...smtpLimitsOf(settings), recipientsPerMail: MAX_XSMTPAPI_RECIPIENTS, mailSize: mailBytes, advertisedSize: mailBytes },
    telemetry,
    now: Date.now,
    isBlocked: async (peer) => (await accountCache.snapshot()).blocks.isPeerBlocked(peer),
    authenticate: dependencies.keys.findAccount,
    failedSignIns: createFixedWindowLimit(MAX_FAILED_SIGN_INS_PER_MINUTE),
    isPlaintextAuthAllowed: plainAuth,
    submit: dependencies.submit,
  })
}

export function hasConfiguredCertificate({ tls }: Settings): boolean {
  return tls.cert !== undefined && tls.key !== undefined
}

export function loadOrMakeCertificate(settings: Settings): Certificate {
  const { cert, key } = settings.tls
  if (cert !== undefined && key !== undefined) return loadCertificate({ cert, key })
  return createSelfSignedCertificate(settings.smtp.name ?? settings.returnPathDomain, Date.now())
}

function smtpLimitsOf({ limits }: Settings): ListenerLimits {
  return {
    ...limits,
    idleTimeoutMs: limits.idleSeconds * 1_000,
    commandTimeoutMs: limits.commandSeconds * 1_000,
    dataTimeoutMs: limits.dataSeconds * 1_000,
    dataGraceMs: limits.dataGraceSeconds * 1_000,
    closeTimeoutMs: limits.closeSeconds * 1_000,
  }
}
