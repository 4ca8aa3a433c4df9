/**
 * http-services - the one place that wires the services of all HTTP routes
 *
 * A route declares the few functions it needs; this file only builds them. A new route with a new service adds one line here.
 *
 * See also: http/app (passes the services to the routes), daemon/app (builds the services that need more than the context).
 */
import type { RuleTable } from '../../classify/rule-table.ts'
import type { SignatureVerifier } from '../../mail-auth/verify-signatures.ts'
import type { DkimKeyService } from '../../service/admin/dkim.ts'
import { createLabelService, type LabelService } from '../../service/admin/labels.ts'
import type { Context } from '../../service/context.ts'
import { type AdviceApi, createAdviceApi } from '../../service/advise/advice-api.ts'
import { createQueueApi, type QueueApi } from '../../service/deliver/queue-api.ts'
import type { EventSourceService } from '../../service/esp/event-sources.ts'
import type { ReceiveEspEvents } from '../../service/esp/receive-events.ts'
import type { ExportService } from '../../service/export/exports.ts'
import type { ForwardService } from '../../service/forward/forward-domains.ts'
import type { WebhookService } from '../../service/notify/webhooks.ts'
import type { ReclassificationService } from '../../service/reclassify/reclassifications.ts'
import { createCountRuleDecisions, type CountRuleDecisions } from '../../service/rules/rule-counts.ts'
import { createGroupOtherReplies, type GroupOtherReplies } from '../../service/rules/other-replies.ts'
import type { RuleFileService } from '../../service/rules/rule-files.ts'
import { createRegister, type Register } from '../../service/submit/register.ts'
import type { RecordLogRecords } from '../../service/follow/log-hook.ts'
import { createReportAttempts, type ReportAttempts } from '../../service/submit/reported-attempts.ts'
import type { SessionService } from '../../service/users/sessions.ts'
import { createUserService, type UserService } from '../../service/users/users.ts'
import type { EngagementService } from '../../service/track/engagement-service.ts'
import type { TrackingDomainService } from '../../service/track/tracking-domains.ts'
import { createTrackingLinks, type TrackingLinks } from '../../service/track/tracking-links.ts'
import { createUnsubscribeLinks, type UnsubscribeLinks } from '../../service/track/unsubscribe-links.ts'
import { createTrackHtml, type TrackHtml } from '../../service/track/track-content.ts'
import type { Submit } from '../../service/submit/submit.ts'
import { readCommitStamp } from '../../store/engine/commit-stamp.ts'
import { createAccountService, type AccountService } from './accounts.ts'
import type { AlertService } from './alerts.ts'
import { createBlockAllowService, type BlockAllowService } from './block-allow.ts'
import { createReadBroadcastResults, type ReadBroadcastResults } from './broadcasts.ts'
import { createEventFeedService, type EventFeedService } from './event-feed.ts'
import { createInboxService, type InboxService } from './inbox.ts'
import { createListTlsReports, type ListTlsReports } from './tls-reports.ts'
import { createMessageReportService, type MessageReportService } from './message-reports.ts'
import { createMessageService, type MessageService } from './messages.ts'
import {
  createAccessBlockService,
  createEraseAddress,
  createMassBounceReviewService,
  type AccessBlockService,
  type EraseAddress,
  type MassBounceReviewService,
} from './operator.ts'
import { createOverviewService, type OverviewService } from './overview.ts'
import type { ShowShaping } from './shaping.ts'
import { createListReporters, type ListReporters } from './reporters.ts'
import type { AccountSecretService } from './account-secrets.ts'
import type { SettingInForce } from './setting-in-force.ts'
import { createStatisticsService, type StatisticsService } from './statistics.ts'
import { createSuppressionService, type SuppressionService } from './suppressions.ts'
import { createWideReader } from './wide-reader.ts'

/** Services that the daemon builds, because they need its settings, its keys or its network. */
type DaemonServices = {
  readonly submit: Submit
  readonly dkim: DkimKeyService
  readonly eventSources: EventSourceService
  readonly receiveEspEvents: ReceiveEspEvents
  readonly recordLogRecords: RecordLogRecords
  readonly trackingDomains: TrackingDomainService
  readonly webhooks: WebhookService
  readonly exports: ExportService
  readonly forwarding: ForwardService
  readonly alerts: AlertService
  readonly reclassifications: ReclassificationService
  readonly ruleFiles: RuleFileService
  readonly engagement: EngagementService
  readonly sessions: SessionService
  readonly accountSecrets: AccountSecretService
  readonly listSettings: () => readonly SettingInForce[]
  readonly showShaping: ShowShaping
}

/** Every service of the HTTP routes, by area. */
export type HttpServices = DaemonServices & {
  readonly now: () => number
  readonly register: Register
  readonly trackHtml: TrackHtml
  readonly reportAttempts: ReportAttempts
  readonly messages: MessageService
  readonly messageReports: MessageReportService
  readonly overview: OverviewService
  readonly suppressions: SuppressionService
  readonly blockAllow: BlockAllowService
  readonly inbox: InboxService
  readonly listTlsReports: ListTlsReports
  readonly accounts: AccountService
  readonly readBroadcastResults: ReadBroadcastResults
  readonly eventFeed: EventFeedService
  readonly accessBlocks: AccessBlockService
  readonly massBounceReviews: MassBounceReviewService
  readonly eraseAddress: EraseAddress
  readonly statistics: StatisticsService
  readonly labels: LabelService
  readonly trackingLinks: TrackingLinks
  readonly users: UserService
  readonly listReporters: ListReporters
  readonly queue: QueueApi
  readonly advice: AdviceApi
  /** The rules in force. */
  readonly getRules: () => RuleTable
  readonly countRuleDecisions: CountRuleDecisions
  readonly groupOtherReplies: GroupOtherReplies
  /** The Return-Path and feedback domains. */
  readonly getOwnDomains: () => readonly string[]
  readonly unsubscribeLinks: UnsubscribeLinks
  /** A value that changes with every commit to the store that lists and statistics are read from. */
  readonly readCommitStamp: () => Promise<string>
  /** Changes when lists and statistics are read from another server. */
  readonly readGeneration: () => number
}

/** Builds the services on a context; the verifier checks the signatures of inbox items that are replayed. */
export function createHttpServices(context: Context, verifier: SignatureVerifier, daemonServices: DaemonServices): HttpServices {
  const { read, replica } = context.engine
  const wideRead = createWideReader(context.engine)
  return {
    ...daemonServices,
    now: context.now,
    listReporters: createListReporters(context),
    register: createRegister(context),
    trackHtml: createTrackHtml(context),
    reportAttempts: createReportAttempts(context),
    messages: createMessageService({ read, listRead: replica.read, wideRead, now: context.now }),
    messageReports: createMessageReportService(context),
    overview: createOverviewService(context),
    suppressions: createSuppressionService(context, wideRead),
    blockAllow: createBlockAllowService(context),
    inbox: createInboxService(context, verifier),
    listTlsReports: createListTlsReports(context),
    accounts: createAccountService(context, daemonServices.trackingDomains),
    readBroadcastResults: createReadBroadcastResults(wideRead),
    eventFeed: createEventFeedService(context),
    accessBlocks: createAccessBlockService(context),
    massBounceReviews: createMassBounceReviewService(context),
    eraseAddress: createEraseAddress(context),
    statistics: createStatisticsService(replica.read, wideRead),
    labels: createLabelService(context),
    trackingLinks: createTrackingLinks(context, daemonServices.engagement),
    users: createUserService(context),
    queue: createQueueApi(context),
    advice: createAdviceApi(context),
    getRules: context.rules,
    countRuleDecisions: createCountRuleDecisions(context),
    groupOtherReplies: createGroupOtherReplies(context),
    getOwnDomains: () => [...context.domains.returnPath, ...context.domains.feedback],
    unsubscribeLinks: createUnsubscribeLinks(context),
    readCommitStamp: () => readCommitStamp(replica.read),
    readGeneration: replica.generation,
  }
}
