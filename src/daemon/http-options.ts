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
import { createShowShaping } from '../http/services/shaping.ts'
import { createHttpServices, type HttpServices } from '../http/services/http-services.ts'
import type { SignatureVerifier } from '../mail-auth/verify-signatures.ts'
import type { DkimKeyService } from '../service/admin/dkim.ts'
import type { TrackingDomainService } from '../service/track/tracking-domains.ts'
import type { Context } from '../service/context.ts'
import { createEventSourceService } from '../service/esp/event-sources.ts'
import { createRecordLogRecords } from '../service/follow/log-hook.ts'
import { createReceiveEspEvents } from '../service/esp/receive-events.ts'
import type { ExportService } from '../service/export/exports.ts'
import type { EngagementService } from '../service/track/engagement-service.ts'
import type { ReclassificationService } from '../service/reclassify/reclassifications.ts'
import { createRuleFileService } from '../service/rules/rule-files.ts'
import type { Submit } from '../service/submit/submit.ts'
import { createSessionService } from '../service/users/sessions.ts'
import { displaySettings } from '../settings/display.ts'
import type { SettingRow } from '../settings/load.ts'
import type { Settings } from '../settings/schema.ts'
import { createAccountSecretService } from './account-secrets.ts'

export type HttpDependencies = {
  readonly settings: Settings
  readonly settingRows: readonly SettingRow[]
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
export function httpAppOptions(runtime: Runtime, dependencies: HttpDependencies): Parameters<typeof createHttpApp>[0] {
  const { context } = runtime
  const { read } = context.engine
  const { settings, readiness } = dependencies
  return {
    telemetry: context.telemetry,
    services: httpServicesOf(runtime, dependencies),
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

function httpServicesOf({ context, vault, reloadOwnRules }: Runtime, dependencies: HttpDependencies): HttpServices {
  const { settings, settingRows, verifier, outbound, readiness: _readiness, ...services } = dependencies
  const { webhooks, forwardDomains: forwarding, alerts } = outbound
  const { folder = null, writable: isWritable } = settings.rules
  return createHttpServices(context, verifier, {
    ...services,
    webhooks,
    forwarding,
    alerts,
    ruleFiles: createRuleFileService(context, { folder, isWritable, reload: reloadOwnRules }),
    eventSources: createEventSourceService(context, vault),
    recordLogRecords: createRecordLogRecords(context, settings.follow.relays),
    receiveEspEvents: createReceiveEspEvents({ context, vault, sns: outbound.sns }, services.engagement),
    sessions: createSessionService(context, settings.console),
    accountSecrets: createAccountSecretService(context, settings),
    listSettings: () => displaySettings(settingRows),
    showShaping: createShowShaping(context, settings.delivery),
  })
}
