/**
 * background-work - what the daemon does by itself: scheduled jobs, webhooks, verifications that wait, the delivery queue, mailboxes, exports,
 * reclassifications, logs that are followed, changed rule files
 *
 * See also: daemon/app (starts and stops it), daemon/scheduled-jobs.
 */
import type { Runtime } from './bootstrap.ts'
import { loadPolicy, nodeNameOf, type DeliveryService } from './delivery/delivery-setup.ts'
import type { Intake } from './intake.ts'
import type { OutboundServices } from './outbound-services.ts'
import { startReportCopies } from './delivery/report-copies.ts'
import { startShapingWatch } from './delivery/shaping-watch.ts'
import { startLogFollowers } from '../import/log-followers.ts'
import { startRuleFolderWatch } from './rule-folder-watch.ts'
import { startScheduledJobs } from './scheduled-jobs.ts'
import type { VerifierService } from '../mail-auth/signature-verifier.ts'
import { startMailboxReaders } from '../mailbox/mailbox-readers.ts'
import type { DnsLookup } from '../net/dns.ts'
import { createAdviser } from '../service/advise/adviser.ts'
import { startExporter, type Exporter } from '../service/export/exporter.ts'
import { createPendingVerifier } from '../service/receive/pending-verifier.ts'
import { startReclassifier, type BackgroundReclassifier } from '../service/reclassify/reclassifier.ts'
import type { Settings } from '../settings/schema.ts'

type BackgroundParts = {
  readonly verifier: VerifierService
  readonly outbound: OutboundServices
  readonly exporter: Exporter
  readonly reclassifier: BackgroundReclassifier
  readonly deliveryService: DeliveryService
  readonly intake: Intake
  /** DNS without a cache. */
  readonly uncachedLookUp: DnsLookup
}

/** Starts what runs by itself. The result stops all of it. */
export function startBackgroundWork(runtime: Runtime, settings: Settings, parts: BackgroundParts): () => Promise<unknown> {
  const { context } = runtime
  const { verifier, outbound, deliveryService, exporter, reclassifier, intake, uncachedLookUp } = parts
  const stopJobs = startScheduledJobs(context, settings, { lookUp: uncachedLookUp, evaluateAlerts: outbound.evaluateAlerts })
  const stopWebhooks = outbound.start()
  const { pendingHours } = settings.verification
  const stopPendingVerifier = createPendingVerifier(context, { verify: verifier.verify, pendingHours }).start()
  deliveryService.start()
  const stopReportCopies = startReportCopies(runtime, settings, { queueTransport: deliveryService.transport, lookUp: uncachedLookUp })
  const adviser = createAdviser(context, loadPolicy(settings.delivery.policy))
  adviser.start()
  const stopExporter = startExporter(exporter)
  const stopReclassifier = startReclassifier(reclassifier)
  const stopMailboxes = startMailboxReaders(context, {
    mailboxes: settings.mailboxes,
    submit: intake.receiver.submit,
    node: nodeNameOf(settings),
    maxMailBytes: settings.limits.mailSize,
  })
  const stopLogFollowers = startLogFollowers(context, settings.follow)
  const stopRuleWatch = startRuleFolderWatch(runtime, settings.rules.folder)
  const stopShapingWatch = startShapingWatch(runtime, settings.delivery.shapingFile)
  return () => {
    stopRuleWatch()
    stopShapingWatch()
    // Copies use the connections of the queue.
    const stopDelivery = stopReportCopies().then(() => deliveryService.close())
    return Promise.all([
      stopLogFollowers(),
      stopJobs(),
      stopWebhooks(),
      stopPendingVerifier(),
      stopExporter(),
      stopReclassifier(),
      adviser.close(),
      stopDelivery,
      stopMailboxes(),
    ])
  }
}
