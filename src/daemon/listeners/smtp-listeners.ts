/**
 * smtp-listeners - opens the SMTP listeners of the daemon from its settings: one for reports and inbound mail, the same by LMTP, one for submission
 *
 * All of them are open, or none. See also: daemon/app (opens and closes them), smtp-server/listener, smtp-server/incoming-router, smtp-server/submission-session.
 */
import { hostname } from 'node:os'
import type { CredentialStore } from '../../http/server/authenticate.ts'
import { loadCertificate, createSelfSignedCertificate } from '../../net/certificate.ts'
import type { Certificate } from '../../net/certificate.ts'
import type { ActivatedSockets } from '../../net/activated-sockets.ts'
import type { IncomingRouter } from '../../smtp-server/incoming-router.ts'
import type { CommonListenerOptions, ListenerLimits, ReportListenerOptions } from '../../smtp-server/listener-options.ts'
import { startLmtpListener, startReportListener } from '../../smtp-server/listener.ts'
import type { SmtpListener } from '../../smtp-server/listener.ts'
import { startSubmissionListener } from '../../smtp-server/submission-session.ts'
import { explainListenErrors, explainSocketErrors } from './listen-errors.ts'
import { parseListenTarget } from '../../settings/lmtp.ts'
import type { Settings } from '../../settings/schema.ts'
import { MAX_XSMTPAPI_RECIPIENTS } from '../../compose/x-smtpapi.ts'
import { createSignInLimit } from '../../net/sign-in-limit.ts'
import { openToLocalUsers, removeStaleSocket } from '../../net/unix-socket-file.ts'
import type { Context } from '../../service/context.ts'
import type { Submit } from '../../service/submit/submit.ts'

/** The open listeners. */
export type SmtpListeners = {
  readonly port: number
  /** Null: there is no submission listener. */
  readonly submissionPort: number | null
  /** The port or the path of the LMTP listener; null: there is none. */
  readonly lmtp: number | string | null
  /** Replaces the certificate of new connections. */
  readonly reloadTls: (certificate: Certificate) => void
  /** Refuses new connections. Resolves when the sessions in the middle of a mail have been answered. */
  readonly close: () => Promise<void>
}

type SmtpDependencies = {
  readonly router: IncomingRouter
  readonly keys: CredentialStore
  readonly submit: Submit
  /** What systemd opened; the settings name host and port of the rest. */
  readonly sockets: ActivatedSockets
}

/** Opens the listeners that the settings ask for. Faults: config_invalid (certificate, lists of addresses), conflict. */
export async function openSmtpListeners(settings: Settings, context: Context, dependencies: SmtpDependencies): Promise<SmtpListeners> {
  const open: SmtpListener[] = []
  const close = async (): Promise<void> => void (await Promise.all(open.map((listener) => listener.close())))
  const keep = <Listener extends SmtpListener | null>(listener: Listener): Listener => {
    if (listener !== null) open.push(listener)
    return listener
  }
  try {
    const { port } = keep(await openInboundListener(settings, context, dependencies))
    const lmtp = keep(await openLmtpListener(settings, context, dependencies.router))
    const submission = keep(await openSubmissionListener(settings, context, dependencies))
    return {
      port,
      submissionPort: submission?.port ?? null,
      lmtp: lmtp?.socketPath ?? lmtp?.port ?? null,
      reloadTls: (certificate) => {
        for (const listener of open) listener.reloadTls(certificate)
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Opens the listener for reports and inbound mail. Faults: config_invalid (certificate, proxyPeers), conflict. */
async function openInboundListener(
  settings: Settings,
  context: Context,
  { router, sockets }: Pick<SmtpDependencies, 'router' | 'sockets'>,
): Promise<SmtpListener> {
  const [host, port, descriptor] = [settings.host, settings.smtp.port, sockets.get('smtp')]
  const options: ReportListenerOptions = {
    ...commonOptionsOf(settings, context),
    host,
    port,
    descriptor,
    limits: smtpLimitsOf(settings),
    trustedRelays: settings.smtp.trustedRelays,
    router,
  }
  return explainListenErrors({ host, port, descriptor, variables: 'BOUNCED_SMTP_PORT or BOUNCED_HOST' }, () => startReportListener(options))
}

type LmtpListener = SmtpListener & { readonly socketPath?: string }

/** Loopback, whatever limits.exemptPeers says: the clients of LMTP are mail servers of the operator. */
const LOOPBACK = ['127.0.0.0/8', '::1']

/** Opens the LMTP listener. Resolves to null when lmtp.listen is not set. Faults: config_invalid (trustedRelays), conflict. */
async function openLmtpListener(settings: Settings, context: Context, router: IncomingRouter): Promise<LmtpListener | null> {
  const { trustedRelays } = settings.smtp
  const target = settings.lmtp.listen === undefined ? null : parseListenTarget(settings.lmtp.listen)
  if (target === null) return null
  const options = {
    ...commonOptionsOf(settings, context),
    proxyPeers: [],
    limits: { ...smtpLimitsOf(settings), exemptPeers: [...LOOPBACK, ...trustedRelays] },
    trustedRelays,
    router,
  }
  if ('port' in target)
    return explainListenErrors({ ...target, variables: 'BOUNCED_LMTP_LISTEN' }, () => startLmtpListener({ ...options, ...target }))
  const { path: socketPath } = target
  await removeStaleSocket(socketPath)
  const listener = await explainSocketErrors(socketPath, () => startLmtpListener({ ...options, host: '', port: 0, socketPath }))
  openToLocalUsers(socketPath)
  return { ...listener, socketPath }
}

/** Opens the submission listener. Resolves to null when submission.port is not set and systemd passed no socket. Faults: config_invalid (certificate, proxyPeers), conflict. */
async function openSubmissionListener(
  settings: Settings,
  context: Context,
  dependencies: Pick<SmtpDependencies, 'keys' | 'submit' | 'sockets'>,
): Promise<SmtpListener | null> {
  const { port, host = settings.host, plainAuth, mailBytes } = settings.submission
  const descriptor = dependencies.sockets.get('submission')
  if (port === undefined && descriptor === undefined) return null
  const options: Parameters<typeof startSubmissionListener>[0] = {
    ...commonOptionsOf(settings, context),
    host,
    port: port ?? 0,
    descriptor,
    limits: { ...smtpLimitsOf(settings), recipientsPerMail: MAX_XSMTPAPI_RECIPIENTS, mailSize: mailBytes, advertisedSize: mailBytes },
    authenticate: dependencies.keys.findAccount,
    signInLimit: createSignInLimit(settings.limits),
    isPlaintextAuthAllowed: plainAuth,
    submit: dependencies.submit,
  }
  return explainListenErrors({ ...options, variables: 'BOUNCED_SUBMISSION_PORT or BOUNCED_SUBMISSION_HOST' }, () =>
    startSubmissionListener(options),
  )
}

/** Returns whether the settings name a certificate. Without one, the listeners use a self-signed certificate. */
export function hasConfiguredCertificate({ tls }: Settings): boolean {
  return tls.cert !== undefined && tls.key !== undefined
}

/** Loads the certificate of the settings, or creates a self-signed one. Faults: config_invalid. */
export function loadOrMakeCertificate(settings: Settings): Certificate {
  const { cert, key } = settings.tls
  if (cert !== undefined && key !== undefined) return loadCertificate({ cert, key })
  return createSelfSignedCertificate(settings.smtp.name ?? settings.returnPathDomain, Date.now())
}

function commonOptionsOf(
  settings: Settings,
  { telemetry, accountCache, diskSpace, now }: Context,
): Omit<CommonListenerOptions, 'host' | 'port' | 'limits'> {
  return {
    hostname: settings.smtp.name ?? hostname(),
    proxyPeers: settings.smtp.proxyPeers,
    tls: loadOrMakeCertificate(settings),
    telemetry,
    now,
    isDiskLow: diskSpace.isLow,
    isBlocked: async (peer) => (await accountCache.snapshot()).blocks.isPeerBlocked(peer),
  }
}

function smtpLimitsOf({ limits, smtp }: Settings): ListenerLimits {
  return {
    ...limits,
    exemptPeers: [...limits.exemptPeers, ...smtp.trustedRelays],
    greetingDelayMs: limits.greetingMilliseconds,
    knownPeerMs: limits.knownPeerSeconds * 1_000,
    stressTimeoutMs: limits.stressSeconds * 1_000,
    idleTimeoutMs: limits.idleSeconds * 1_000,
    commandTimeoutMs: limits.commandSeconds * 1_000,
    dataTimeoutMs: limits.dataSeconds * 1_000,
    dataGraceMs: limits.dataGraceSeconds * 1_000,
    closeTimeoutMs: limits.closeSeconds * 1_000,
  }
}
