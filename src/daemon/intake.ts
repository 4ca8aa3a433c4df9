/**
 * intake - what takes in facts from outside: the receiver of reports, the router of mail, and the recorder of opens and clicks
 *
 * See also: daemon/app (opens the listeners on them), service/receive/receive, service/track/engagement-recorder.
 */
import { verpAccountOf } from '../correlate/verp.ts'
import { FLOOD_RULES } from '../ledger/alert/flood.ts'
import type { SignatureVerifier } from '../mail-auth/verify-signatures.ts'
import { createPlaceLookup, type PlaceLookup } from '../net/place-database.ts'
import type { Context } from '../service/context.ts'
import type { ForwardReceiver } from '../service/forward/forward-mail.ts'
import { createFloodMonitor, type FloodRules } from '../service/receive/flood-monitor.ts'
import { createReceiver, type Receiver } from '../service/receive/receive.ts'
import { createEngagementRecorder, type EngagementRecorder } from '../service/track/engagement-recorder.ts'
import { createIncomingRouter, type IncomingRouter } from '../smtp-server/incoming-router.ts'
import { canCopyReports } from './delivery/report-copies.ts'
import type { Settings } from '../settings/schema.ts'

export type Intake = {
  readonly receiver: Receiver
  readonly engagement: EngagementRecorder
  /** Passes mail to the receiver or to the inbound mail of accounts. */
  readonly router: IncomingRouter
  /** Resolves when nothing that was taken in waits for its commit. Call it once no more comes. */
  readonly close: () => Promise<unknown>
}

/** Creates them. They start with the first input. Fault: config_invalid, for a place database that cannot be read. */
export async function createIntake(
  context: Context,
  settings: Settings,
  { prover, inbound }: { readonly prover: SignatureVerifier; readonly inbound: ForwardReceiver },
): Promise<Intake> {
  const places = createPlaces(context, settings)
  await places.check()
  const floodMonitor = createFloodMonitor(context, floodRulesOf(settings))
  const receiver = createReceiver(context, {
    prover,
    dryRun: false,
    notifyReplays: false,
    copiesReports: canCopyReports(settings),
    floodMonitor,
  })
  const engagement = createEngagementRecorder(context, { ...settings.tracking, places })
  const router = createIncomingRouter({
    domains: context.domains,
    reports: receiver,
    inbound,
    isVerpRecipient: async (recipient) => verpAccountOf(recipient, (await context.accountCache.snapshot()).verpAddresses) !== null,
  })
  const close = (): Promise<unknown> => Promise.all([receiver.waitUntilIdle(), inbound.waitUntilIdle(), engagement.close()])
  return { receiver, engagement, router, close }
}

function createPlaces({ now, telemetry }: Context, { tracking }: Settings): PlaceLookup {
  const onRead = (file: string, databaseType: string): void => telemetry.log.info({ file, databaseType }, 'place database read')
  const onFault = (file: string, error: unknown): void =>
    telemetry.log.warn({ file, err: error }, 'a place database cannot be read; the last good one stays in use')
  const { countryDatabase: countryFile = null, cityDatabase: cityFile = null } = tracking
  return createPlaceLookup({ countryFile, cityFile, now, onRead, onFault })
}

function floodRulesOf({ flood }: Settings): FloodRules {
  return {
    account: { ...FLOOD_RULES.account, reports: flood.accountReports },
    peer: { ...FLOOD_RULES.peer, reports: flood.peerReports },
    token: { ...FLOOD_RULES.token, reports: flood.tokenReports },
    guess: FLOOD_RULES.guess,
  }
}
