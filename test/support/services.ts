/**
 * services - the services of the HTTP routes, and the HTTP server on them, around the store of a test
 *
 * Everything is as the daemon wires it, except that no DNS query is made.
 */
import { createTrackingDomainService, type TrackingDomainService } from '../../src/service/track/tracking-domains.ts'
import { createAuthenticator, findAccountByApiUser } from '../../src/daemon/accounts.ts'
import { createHttpApp } from '../../src/http/app.ts'
import type { HttpServer } from '../../src/http/server/http-server.ts'
import { createHttpServices, type HttpServices } from '../../src/http/services/http-services.ts'
import { NO_AUTHENTICATION_RESULTS, type SignatureVerifier } from '../../src/mail-auth/verify-signatures.ts'
import type { PlaceLookup } from '../../src/net/place-database.ts'
import { createAccountSecretService } from '../../src/daemon/account-secrets.ts'
import type { Context } from '../../src/service/context.ts'
import { createEngagementRecorder } from '../../src/service/track/engagement-recorder.ts'
import { createRuleFileService } from '../../src/service/rules/rule-files.ts'
import { createSessionService } from '../../src/service/users/sessions.ts'
import { createSubmit } from '../../src/service/submit/submit.ts'
import { Fault } from '../../src/errors.ts'
import { createVault } from '../../src/config/vault.ts'
import { createEventSourceService } from '../../src/service/esp/event-sources.ts'
import { createRecordLogRecords } from '../../src/service/follow/log-hook.ts'
import { createReceiveEspEvents } from '../../src/service/esp/receive-events.ts'
import type { SnsClient } from '../../src/service/esp/sns-certificates.ts'
import { MASTER, makeAlertService, makeDkim, makeExports, makeForwardDomains, makeReclassifications, makeWebhooks } from './context.ts'

/** No file is read. */
const NO_PLACES: PlaceLookup = {
  check: () => Promise.resolve(),
  refresh: () => Promise.resolve(),
  find: () => ({ country: null, region: null, city: null }),
}

/** SNS is not reachable. */
const NO_SNS: SnsClient = {
  loadCertificate: () => Promise.reject(new Fault('overloaded', 'not reachable')),
  confirm: () => Promise.reject(new Fault('overloaded', 'not reachable')),
}

const verifyNothing: SignatureVerifier = () => Promise.resolve(NO_AUTHENTICATION_RESULTS)

/** DNS has no record at all. */
export const makeTrackingDomains = (context: Context): TrackingDomainService =>
  createTrackingDomainService(context, () => Promise.reject(Object.assign(new Error('none'), { code: 'ENODATA' })))

/** The services on a context. */
export function makeServices(context: Context, verifier: SignatureVerifier = verifyNothing): HttpServices {
  const engagement = createEngagementRecorder(context, { durable: true, waiting: 1_000, places: NO_PLACES })
  return createHttpServices(context, verifier, {
    submit: createSubmit(context),
    dkim: makeDkim(context),
    trackingDomains: makeTrackingDomains(context),
    webhooks: makeWebhooks(context),
    exports: makeExports(context),
    reclassifications: makeReclassifications(context),
    ruleFiles: createRuleFileService(context, { folder: null, isWritable: true, reload: () => undefined }),
    forwarding: makeForwardDomains(context),
    alerts: makeAlertService(context),
    engagement,
    eventSources: createEventSourceService(context, createVault(MASTER)),
    recordLogRecords: createRecordLogRecords(context, []),
    receiveEspEvents: createReceiveEspEvents({ context, vault: createVault(MASTER), sns: NO_SNS }, engagement),
    sessions: createSessionService(context, { idleMinutes: 60, sessionHours: 12 }),
    accountSecrets: createAccountSecretService(context, { trust: 'strict', giveUpDays: 5 }),
    listSettings: () => [],
    showShaping: () => ({ site: null, options: [], sites: [] }),
  })
}

/** All routes on those services, for every account in the store. */
export function makeHttpApp(context: Context, verifier: SignatureVerifier = verifyNothing): Promise<HttpServer> {
  return createHttpApp({
    telemetry: context.telemetry,
    services: makeServices(context, verifier),
    credentialStore: createAuthenticator(context.engine.read, context.now),
    findAccount: (apiUser) => findAccountByApiUser(context.engine.read, apiUser),
    findReadinessProblem: () => Promise.resolve(null),
    limits: {
      bodyBytes: 100_000,
      requestsPerMinute: 10_000,
      recipientsPerRequest: 10,
      attemptsPerRequest: 10,
      classificationsPerRequest: 10,
      emailStatusDays: 3,
    },
    trustProxy: false,
    publicUrl: () => context.publicUrl,
  })
}
