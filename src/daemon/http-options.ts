/**
 * http-options - what the HTTP app gets from the daemon: its services, credentials and limits
 *
 * See also: daemon/app, http/app.
 */
import { createAuthenticator, findAccountByApiUser } from './accounts.ts'
import type { Runtime } from './bootstrap.ts'
import type { OutboundServices } from './outbound-services.ts'
import type { Readiness } from './readiness.ts'
import type { createHttpApp } from '../http/app.ts'
import type { HostFilterOptions } from '../http/tracking/host-filter.ts'
import { createHttpServices } from '../http/services/http-services.ts'
import type { SignatureVerifier } from '../mail-auth/verify-signatures.ts'
import type { DkimKeyService } from '../service/admin/dkim.ts'
import type { TrackingDomainService } from '../service/track/tracking-domains.ts'
import type { Context } from '../service/context.ts'
import type { ExportService } from '../service/export/exports.ts'
import type { EngagementService } from '../service/track/engagement-service.ts'
import type { ReclassificationService } from '../service/reclassify/reclassifications.ts'
import { createRuleFileService } from '../service/rules/rule-files.ts'
import type { Submit } from '../service/submit/submit.ts'
import { createSessionService } from '../service/users/sessions.ts'
import type { Settings } from '../settings/schema.ts'

export type HttpDependencies = {
  readonly settings: Settings
  readonly verifier: SignatureVerifier
  readonly outbound: OutboundServices
  readonly exports: ExportService
  readonly reclassifications: ReclassificationService
  readonly submit: Submit
  readonly dkim: DkimKeyService
  readonly trackingDomains: TrackingDomainService
  readonly readiness: Readiness
  readonly engagement: EngagementService
}

/** The host of `publicUrl` comes first; a tracking domain of the same name changes nothing. */
function hostFilterOf({ publicUrl, http, tracking }: Settings, { accountCache }: Context): HostFilterOptions {
  const isWildcard = http.host === '0.0.0.0' || http.host === '::'
  const named = [...(publicUrl === undefined ? [] : [new URL(publicUrl).host]), ...http.hosts]
  return {
    ownHosts: [...named, ...(isWildcard ? [] : [http.host])],
    isClosed: named.length > 0,
    // Without a store nothing of the API can be read, so a domain that is not known then shows nothing.
    isTrackingDomain: async (host) =>
      host === tracking.domain ||
      (await accountCache.snapshot().then(
        ({ trackingDomains }) => trackingDomains.has(host),
        () => false,
      )),
  }
}

/** The options of `createHttpApp`. */
export function httpAppOptions(
  { context, reloadOwnRules }: Runtime,
  { settings, verifier, outbound, exports, reclassifications, submit, dkim, trackingDomains, readiness, engagement }: HttpDependencies,
): Parameters<typeof createHttpApp>[0] {
  const { read } = context.engine
  const { webhooks, forwardDomains: forwarding, alerts } = outbound
  const { folder = null, writable: isWritable } = settings.rules
  const ruleFiles = createRuleFileService(context, { folder, isWritable, reload: reloadOwnRules })
  const services = createHttpServices(context, verifier, {
    webhooks,
    forwarding,
    alerts,
    exports,
    reclassifications,
    ruleFiles,
    submit,
    dkim,
    trackingDomains,
    engagement,
    sessions: createSessionService(context, settings.console),
  })
  return {
    telemetry: context.telemetry,
    services,
    credentialStore: createAuthenticator(read, context.now),
    findAccount: (apiUser) => findAccountByApiUser(read, apiUser),
    findReadinessProblem: readiness.recent,
    limits: { ...settings.limits, bodyBytes: settings.http.bodyBytes },
    signInLimits: settings.limits,
    trustProxy: settings.http.trustProxy,
    hostFilter: hostFilterOf(settings, context),
    httpLimits: settings.http,
    publicUrl: () => context.publicUrl,
    hasConsole: settings.console.enabled,
    responseCacheMode: settings.compatible.answers,
  }
}
