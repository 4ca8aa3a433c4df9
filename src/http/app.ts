/**
 * app - the HTTP side of the daemon: every face on one server
 *
 * See also: app (listens), http/services (what the routes ask for).
 */
import type { Telemetry } from '../telemetry.ts'
import { addContentNegotiation } from './server/content-negotiation.ts'
import { addAccountRoutes } from './api/account.ts'
import { addAlertRoutes } from './api/alerts.ts'
import { addBroadcastRoutes } from './api/broadcasts.ts'
import { addRuleRoutes } from './api/rules.ts'
import { addAttemptRoutes } from './api/attempts.ts'
import type { HttpLimits } from './server/body-limits.ts'
import type { Services } from './services.ts'
import { addExportRoutes } from './api/exports.ts'
import { addEtags } from './server/etag.ts'
import { addEventRoutes } from './api/events.ts'
import { addDocsRoutes } from './server/docs.ts'
import { addDkimRoutes } from './api/dkim.ts'
import { createAuthorizer } from './server/authorize.ts'
import { addHealthRoutes } from './server/health.ts'
import type { Authenticator, CredentialStore } from './server/authenticate.ts'
import { addInboxRoutes } from './api/inbox.ts'
import { addMessageRoutes } from './api/messages.ts'
import { addOpenApiRoutes } from './server/openapi.ts'
import { addOperatorRoutes } from './api/operator.ts'
import { addQueueRoutes } from './api/queue.ts'
import { addQueueCommandRoutes } from './api/queue-commands.ts'
import { createFixedWindowLimit } from './server/rate-limit.ts'
import { addForwardedMailRoutes } from './api/forwarded-mails.ts'
import { createHttpServer } from './server/server.ts'
import type { HttpServer } from './server/http-server.ts'
import type { HttpServerOptions } from './server/server.ts'
import { addSuppressionRoutes } from './api/suppressions.ts'
import { addUnsubscribeRoutes } from './api/unsubscribe.ts'
import { addWebhookAttemptRoutes } from './api/webhook-attempts.ts'
import { addWebhookRoutes } from './api/webhooks.ts'
import { addQueueStatusRoute } from './sendcloud/queue-status.ts'
import { addEngageLabRoutes } from './engagelab/routes.ts'
import { createResponseCache } from './sendcloud/response-cache.ts'
import type { ResponseCacheMode } from './sendcloud/response-cache.ts'
import { addSendCloudRoutes } from './sendcloud/routes.ts'

export type HttpAppOptions = {
  readonly telemetry: Telemetry
  readonly services: Services
  readonly credentialStore: CredentialStore
  readonly findAccount: (apiUser: string) => Promise<number | null>
  readonly isReady: () => Promise<boolean>
  readonly limits: {
    readonly bodyBytes: number
    readonly requestsPerMinute: number
    readonly recipientsPerRequest: number
    readonly attemptsPerRequest: number
    readonly emailStatusDays: number
  }
  readonly trustProxy: boolean
  /** What strangers may hold of the server; the defaults where nothing is said. */
  readonly httpLimits?: HttpLimits
  /** How answers of the compatible faces are kept; `off` where nothing is said. */
  readonly responseCacheMode?: ResponseCacheMode
}

/** Wrong secrets a minute from one address: a person who mistypes needs ten, a guesser millions. */
const MAX_FAILED_SIGN_INS_PER_MINUTE = 30

/** The server with all its routes, not yet listening. */
export async function createHttpApp(appOptions: HttpAppOptions): Promise<HttpServer> {
  const { telemetry, services, credentialStore, limits } = appOptions
  const serverOptions: HttpServerOptions = {
    telemetry,
    bodyBytes: limits.bodyBytes,
    trustProxy: appOptions.trustProxy,
    ...(appOptions.httpLimits ? { httpLimits: appOptions.httpLimits } : {}),
  }
  const authenticator: Authenticator = {
    credentialStore,
    failedSignIns: createFixedWindowLimit(MAX_FAILED_SIGN_INS_PER_MINUTE),
    accountRequests: createFixedWindowLimit(limits.requestsPerMinute),
    now: services.now,
  }
  const authorizer = createAuthorizer({ authenticator, findAccount: appOptions.findAccount })
  const addOwnApi = (server: HttpServer): void => {
    addHealthRoutes(server, { telemetry, isReady: appOptions.isReady })
    addMessageRoutes(server, { services, authorizer, recipientsPerRequest: limits.recipientsPerRequest })
    addBroadcastRoutes(server, { desk: services, guard: authorizer })
    addRuleRoutes(server, { desk: services, guard: authorizer })
    addAttemptRoutes(server, { services, authorizer, attemptsPerRequest: limits.attemptsPerRequest })
    addSuppressionRoutes(server, { services, authorizer })
    addInboxRoutes(server, { desk: services, guard: authorizer })
    addExportRoutes(server, { services, authorizer })
    addAccountRoutes(server, { desk: services, guard: authorizer })
    addDkimRoutes(server, { desk: services, guard: authorizer })
    addOperatorRoutes(server, { services, authorizer, findAccount: appOptions.findAccount })
    addWebhookRoutes(server, { webhooks: services.webhooks, authorizer })
    addWebhookAttemptRoutes(server, { webhooks: services.webhooks, authorizer })
    addEventRoutes(server, { services, authorizer })
    addForwardedMailRoutes(server, { services, authorizer })
    addAlertRoutes(server, { desk: services, guard: authorizer })
    addQueueRoutes(server, { services, authorizer })
    addQueueCommandRoutes(server, { services, authorizer })
    addUnsubscribeRoutes(server, services)
  }
  const server = await createHttpServer(serverOptions)
  // A scope of its own: the compatible faces have other manners.
  void server.register(async (instance) => {
    const scope: HttpServer = instance.withTypeProvider()
    addContentNegotiation(scope)
    addEtags(scope)
    addOwnApi(scope)
  })
  const createBlankServer = (): Promise<HttpServer> => createHttpServer(serverOptions)
  addDocsRoutes(server, createBlankServer, addOpenApiRoutes(server, createBlankServer, addOwnApi))
  const { now, readCommitStamp } = services
  const responseCache = createResponseCache({ mode: appOptions.responseCacheMode ?? 'off', now, readCommitStamp })
  const sendCloud = { services, authenticator, telemetry, maxStatusDays: limits.emailStatusDays, responseCache }
  addSendCloudRoutes(server, sendCloud)
  addQueueStatusRoute(server, sendCloud)
  addEngageLabRoutes(server, { services, authenticator, telemetry })
  return server
}
