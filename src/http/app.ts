/**
 * app - the HTTP server of the daemon: our own API, the SendCloud and EngageLab APIs, health checks and API documents
 *
 * See also: daemon/app (listens), http/services/http-services (what the routes work with).
 */
import { createFixedWindowLimit } from '../net/rate-limit.ts'
import { createSignInLimit, SIGN_IN_LIMITS, type SignInLimits } from '../net/sign-in-limit.ts'
import type { Telemetry } from '../telemetry.ts'
import { addAccountAdminRoutes } from './api/installation/account-admin.ts'
import { addShapingRoutes } from './api/installation/shaping.ts'
import { addReporterRoutes } from './api/installation/reporters.ts'
import { addSettingsRoutes } from './api/installation/settings.ts'
import { addAccountListRoutes } from './api/accounts.ts'
import { addAccountRoutes } from './api/account.ts'
import { addAdviceRoutes } from './api/advice/advice.ts'
import { addAlertRoutes } from './api/alerts.ts'
import { addAttemptRoutes } from './api/attempts.ts'
import { addLogHookRoutes } from './api/intake/kumomta-hook.ts'
import { addClassifyRoutes } from './api/rules/classify.ts'
import { addBroadcastRoutes } from './api/broadcasts.ts'
import { addEngagementListRoute } from './api/engagement.ts'
import { addDkimRoutes } from './api/dkim.ts'
import { addEspEventRoutes } from './api/esp/esp-events.ts'
import { addEventSourceRoutes } from './api/esp/event-sources.ts'
import { addEventRoutes } from './api/events.ts'
import { addExplainRoutes } from './api/rules/explain.ts'
import { addExportRoutes } from './api/exports.ts'
import { addForwardedMailRoutes } from './api/forwarded-mails.ts'
import { addInboxRoutes } from './api/inbox.ts'
import { addTlsReportRoutes } from './api/installation/tls-reports.ts'
import { addMessageReportRoutes } from './api/message-reports.ts'
import { addLabelRoutes } from './api/labels.ts'
import { addMessageRoutes } from './api/messages.ts'
import { addOperatorRoutes } from './api/operator.ts'
import { addQueueCommandRoutes } from './api/queue-commands.ts'
import { addQueueRoutes } from './api/queue.ts'
import { addReclassificationRoutes } from './api/rules/reclassifications.ts'
import { addRuleFileRoutes } from './api/rules/rule-files.ts'
import { addRuleWorkbenchRoutes } from './api/rules/rule-workbench.ts'
import { addRuleRoutes } from './api/rules/rules.ts'
import { addTrackHtmlRoutes } from './api/track-html.ts'
import { addTrackingDomainRoutes } from './api/tracking-domain.ts'
import { addStatisticsRoutes } from './api/overview/statistics.ts'
import { addStatusRoutes } from './api/overview/status.ts'
import { addSuppressionEntryRoutes } from './api/suppressions/suppression-entries.ts'
import { addSuppressionEntryRoute } from './api/suppressions/suppression-entry.ts'
import { addSuppressionRoutes } from './api/suppressions/suppressions.ts'
import { addUnsubscribeRoutes } from './tracking/unsubscribe.ts'
import { addSessionRoutes, type SessionRouteDependencies } from './api/session.ts'
import { addUserRoutes, type UserRouteDependencies } from './api/users.ts'
import { addWebhookAttemptRoutes } from './api/webhook-attempts.ts'
import { addWebhookHealthRoutes } from './api/webhook-health.ts'
import { addWebhookRoutes } from './api/webhooks.ts'
import { addConsoleRoutes } from './console/console-routes.ts'
import { consoleLinkOf } from './console/page-shell.ts'
import { addEngageLabRoutes } from './engagelab/routes.ts'
import { addQueueStatusRoute } from './sendcloud/queue-status.ts'
import { createResponseCache, type ResponseCacheMode } from './sendcloud/response-cache.ts'
import { addSendCloudRoutes } from './sendcloud/routes.ts'
import type { Authenticator, CredentialStore } from './server/authenticate.ts'
import { createAuthorizer, type Authorizer } from './server/authorize.ts'
import { addContentNegotiation } from './server/content-negotiation.ts'
import { addDocsRoutes } from './server/docs.ts'
import { addEtags } from './server/etag.ts'
import { addHealthRoutes } from './server/health.ts'
import type { HttpLimits } from './server/http-limits.ts'
import type { HttpServer } from './server/http-server.ts'
import { addOpenApiRoutes } from './server/openapi.ts'
import { createHttpServer, type HttpServerOptions } from './server/server.ts'
import type { HttpServices } from './services/http-services.ts'
import { addEngagementRoutes } from './tracking/engagement.ts'
import { addHostFilter, type HostFilterOptions } from './tracking/host-filter.ts'

type HttpAppOptions = {
  readonly telemetry: Telemetry
  readonly services: HttpServices
  readonly credentialStore: CredentialStore
  readonly findAccount: (apiUser: string) => Promise<number | null>
  /** Resolves to null when the daemon is ready, otherwise to the reason; at most a second old. */
  readonly findReadinessProblem: () => Promise<string | null>
  readonly limits: {
    readonly bodyBytes: number
    readonly requestsPerMinute: number
    readonly recipientsPerRequest: number
    readonly attemptsPerRequest: number
    readonly classificationsPerRequest: number
    readonly emailStatusDays: number
  }
  /** SIGN_IN_LIMITS by default. */
  readonly signInLimits?: SignInLimits
  readonly trustProxy: boolean
  /** Where a browser reaches this server. */
  readonly publicUrl: () => string
  /** Which hosts serve the API; all of them by default. */
  readonly hostFilter?: HostFilterOptions
  /** Limits for connections and request bodies; HTTP_LIMITS by default. */
  readonly httpLimits?: HttpLimits
  /** Whether `/console` is served and its sessions count; true by default. */
  readonly hasConsole?: boolean
  /** How the SendCloud API caches responses; `off` by default. */
  readonly responseCacheMode?: ResponseCacheMode
}

/** Everything that the routes of our own API take; each route declares the part that it uses. */
type ApiDependencies = HttpServices &
  Pick<HttpAppOptions, 'telemetry' | 'findReadinessProblem' | 'findAccount'> &
  Pick<HttpAppOptions['limits'], 'recipientsPerRequest' | 'attemptsPerRequest' | 'classificationsPerRequest'> &
  Pick<SessionRouteDependencies, 'authenticator'> &
  Pick<UserRouteDependencies, 'linkUrlOf'> & { readonly authorizer: Authorizer }

/** The routes of our own API. The order is the order in the OpenAPI document. */
const API_ROUTES: readonly ((server: HttpServer, dependencies: ApiDependencies) => void)[] = [
  addHealthRoutes,
  addMessageRoutes,
  addMessageReportRoutes,
  addTrackHtmlRoutes,
  addTrackingDomainRoutes,
  addBroadcastRoutes,
  addEngagementListRoute,
  addRuleRoutes,
  addRuleFileRoutes,
  addRuleWorkbenchRoutes,
  addExplainRoutes,
  addClassifyRoutes,
  addReclassificationRoutes,
  addAttemptRoutes,
  addLogHookRoutes,
  addSuppressionRoutes,
  addSuppressionEntryRoutes,
  addSuppressionEntryRoute,
  addInboxRoutes,
  addTlsReportRoutes,
  addExportRoutes,
  addStatisticsRoutes,
  addStatusRoutes,
  addAccountListRoutes,
  addAccountAdminRoutes,
  addReporterRoutes,
  addShapingRoutes,
  addSettingsRoutes,
  addAccountRoutes,
  addLabelRoutes,
  addDkimRoutes,
  addEventSourceRoutes,
  addEspEventRoutes,
  addOperatorRoutes,
  addWebhookRoutes,
  addWebhookHealthRoutes,
  addWebhookAttemptRoutes,
  addEventRoutes,
  addForwardedMailRoutes,
  addAlertRoutes,
  addQueueRoutes,
  addQueueCommandRoutes,
  addAdviceRoutes,
  addUnsubscribeRoutes,
  addEngagementRoutes,
]

/** The routes that only the console needs. */
const CONSOLE_ROUTES = [addSessionRoutes, addUserRoutes] as const satisfies typeof API_ROUTES

/** Creates the server with all routes. It does not listen yet. */
export async function createHttpApp(options: HttpAppOptions): Promise<HttpServer> {
  const { telemetry, services, limits, findAccount, findReadinessProblem } = options
  const serverOptions: HttpServerOptions = {
    telemetry,
    bodyBytes: limits.bodyBytes,
    trustProxy: options.trustProxy,
    ...(options.httpLimits ? { httpLimits: options.httpLimits } : {}),
  }
  const authenticator = authenticatorOf(options)
  const authorizer = createAuthorizer({ authenticator, findAccount })
  const dependencies: ApiDependencies = {
    ...services,
    ...limits,
    telemetry,
    findReadinessProblem,
    findAccount,
    authorizer,
    authenticator,
    linkUrlOf: (token) => consoleLinkOf(options.publicUrl(), token),
  }
  const hasConsole = options.hasConsole !== false
  const routes = [...API_ROUTES, ...(hasConsole ? CONSOLE_ROUTES : [])]
  const addApiRoutes = (scope: HttpServer): void => routes.forEach((addRoutes) => addRoutes(scope, dependencies))
  const server = await createHttpServer(serverOptions)
  if (options.hostFilter !== undefined) addHostFilter(server, telemetry, options.hostFilter)
  // A scope of its own: ETags and content negotiation do not apply to the compatible APIs.
  void server.register(async (instance) => {
    const scope: HttpServer = instance.withTypeProvider()
    addContentNegotiation(scope)
    addEtags(scope)
    addApiRoutes(scope)
  })
  const createBlankServer = (): Promise<HttpServer> => createHttpServer(serverOptions)
  addDocsRoutes(server, createBlankServer, addOpenApiRoutes(server, createBlankServer, addApiRoutes))
  addCompatibleRoutes(server, options, authenticator)
  if (hasConsole) addConsoleRoutes(server)
  return server
}

function authenticatorOf({
  credentialStore,
  limits,
  services,
  signInLimits = SIGN_IN_LIMITS,
  hasConsole,
  publicUrl,
}: HttpAppOptions): Authenticator {
  return {
    credentialStore,
    signInLimit: createSignInLimit(signInLimits),
    accountRequests: createFixedWindowLimit(limits.requestsPerMinute),
    now: services.now,
    sessions: hasConsole === false ? null : services.sessions,
    publicUrl,
  }
}

function addCompatibleRoutes(server: HttpServer, options: HttpAppOptions, authenticator: Authenticator): void {
  const { telemetry, services, limits, responseCacheMode: mode = 'off' } = options
  const { now, readCommitStamp, readGeneration } = services
  const responseCache = createResponseCache({ mode, now, readCommitStamp, readGeneration })
  const sendCloud = { services, authenticator, telemetry, maxStatusDays: limits.emailStatusDays, responseCache }
  addSendCloudRoutes(server, sendCloud)
  addQueueStatusRoute(server, sendCloud)
  addEngageLabRoutes(server, { services, authenticator, telemetry })
}
