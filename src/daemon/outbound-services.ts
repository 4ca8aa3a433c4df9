/**
 * outbound-services - makes the services that send to accounts' own servers: webhooks, inbound mail of accounts, alerts
 *
 * See also: daemon/app (starts and ends it), settings/outbound.
 */
import { findAccountByApiUser } from './accounts.ts'
import { createMailLinkSigner } from '../mail-auth/signed-mail-link.ts'
import { createAlertMailer, type AlertMailer } from '../mail-auth/alert-mailer.ts'
import { createMimeReader } from '../mail-auth/mime-reader.ts'
import { createHttpClient } from '../net/http-post.ts'
import type { DnsLookup } from '../net/dns.ts'
import { createSsrfGuard } from '../net/ssrf-guard.ts'
import { Fault, isRetryable } from '../errors.ts'
import type { Runtime } from './bootstrap.ts'
import type { Settings } from '../settings/schema.ts'
import type { Telemetry } from '../telemetry.ts'
import { createAlertService, type AlertService } from '../http/services/alerts.ts'
import { createAlertEvaluator } from '../service/alerts/alerts.ts'
import { CONNECTIONS_PER_ENDPOINT, createNotifier, startNotifier } from '../service/notify/notifier.ts'
import { createForwardReceiver, type ForwardReceiver } from '../service/forward/forward-mail.ts'
import { createForwardBodies } from '../service/forward/forward-body.ts'
import { addForwardDomain, createForwardService, type ForwardService } from '../service/forward/forward-domains.ts'
import type { Context } from '../service/context.ts'
import { createSnsClient, type SnsClient } from '../service/esp/sns-certificates.ts'
import { createWebhookService, type WebhookService } from '../service/notify/webhooks.ts'

export type OutboundServices = {
  readonly webhooks: WebhookService
  readonly forwardDomains: ForwardService
  readonly forwarder: ForwardReceiver
  readonly alerts: AlertService
  /** Requests certificates and confirms subscriptions at Amazon SNS. */
  readonly sns: SnsClient
  /** Evaluates the alerts and mails what changed. */
  readonly evaluateAlerts: () => Promise<void>
  /** Starts sending. The result stops it. */
  readonly start: () => () => Promise<void>
  /** Releases the connections after a failed start. */
  readonly close: () => Promise<void>
}

/** A certificate has less than 4 KiB. */
const SNS_HTTP = { connections: 2, responseBytes: 16_384 } as const

/** Creates the services. Nothing is sent before `start`. `lookUp` has no cache: an endpoint may move to another address at any time. */
export function createOutboundServices({ context, vault, masterKey }: Runtime, settings: Settings, lookUp: DnsLookup): OutboundServices {
  const { webhooks: webhookSettings, route: forwardSettings } = settings
  const ssrfGuard = createSsrfGuard({ ...webhookSettings, lookUp })
  const poster = createHttpClient(ssrfGuard, { connections: CONNECTIONS_PER_ENDPOINT })
  const snsHttp = createHttpClient(createSsrfGuard({ allowPrivate: false, allowHosts: [], lookUp }), SNS_HTTP)
  const mimeReader = createMimeReader()
  const mailLinks = createMailLinkSigner(masterKey)
  const forwardBodies = createForwardBodies(context, { reader: mimeReader, links: mailLinks, rules: forwardSettings })
  const notifier = createNotifier(context, { vault, poster, forwardBodies, ...webhookSettings })
  const mailer = openAlertMailer(settings, context.telemetry)
  const alerts = createAlertEvaluator(context, { rules: settings.alerts, mailer, operator: () => operatorAccountOf(context, settings) })
  const close = async (): Promise<void> => {
    mailer?.close()
    await Promise.all([poster.close(), snsHttp.close(), mimeReader.close()])
  }
  return {
    webhooks: createWebhookService(context, { vault, guard: ssrfGuard, poster }),
    forwardDomains: createForwardService(context, mailLinks),
    forwarder: createForwardReceiver(context),
    alerts: createAlertService(context, settings.alerts),
    sns: createSnsClient(snsHttp, context.now),
    evaluateAlerts: async () => {
      await alerts.evaluate()
      await alerts.sendMails()
    },
    start: () => {
      const stop = startNotifier(notifier)
      return () => stop().then(close)
    },
    close,
  }
}

/** The mailer of the smart host in the settings, or null. */
export function openAlertMailer({ alerts, returnPathDomain }: Settings, { log }: Telemetry): AlertMailer | null {
  if (alerts.smtp === undefined) return null
  return createAlertMailer({ smarthostUrl: alerts.smtp, from: alerts.mailFrom ?? `alerts@${returnPathDomain}`, log })
}

/** The account that gets the alerts of the installation; 0: none. */
async function operatorAccountOf({ engine }: Context, { alerts, apiUser }: Settings): Promise<number> {
  return alerts.account === 'none' ? 0 : ((await findAccountByApiUser(engine.read, alerts.account ?? apiUser)) ?? 0)
}

/** Assigns the domains of the settings to their accounts. Faults: config_invalid, naming the domain. */
export async function claimForwardDomains({ context }: Runtime, { route: forwardSettings, apiUser }: Settings): Promise<void> {
  for (const entry of forwardSettings.domains) {
    const [domain = '', owner = apiUser] = entry.split('=')
    const account = await findAccountByApiUser(context.engine.read, owner)
    if (account === null) throw new Fault('config_invalid', `route.domains: no account has the apiUser "${owner}"`)
    try {
      await addForwardDomain(context, account, domain)
    } catch (cause) {
      if (!(cause instanceof Fault) || isRetryable(cause)) throw cause
      throw new Fault('config_invalid', `route.domains: ${cause.message}`, { cause })
    }
  }
}
