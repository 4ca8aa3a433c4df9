/**
 * intake - what takes in facts from outside: the receiver of reports, and the recorder of opens and clicks
 *
 * See also: daemon/app (opens the listeners on them), service/receive/receive, service/track/engagement-recorder.
 */
import { FLOOD_RULES } from '../ledger/alert/flood.ts'
import type { SignatureVerifier } from '../mail-auth/verify-signatures.ts'
import type { Context } from '../service/context.ts'
import { createFloodMonitor, type FloodRules } from '../service/receive/flood-monitor.ts'
import { createReceiver, type Receiver } from '../service/receive/receive.ts'
import { createEngagementRecorder, type EngagementRecorder } from '../service/track/engagement-recorder.ts'
import type { Settings } from '../settings/schema.ts'

export type Intake = {
  readonly receiver: Receiver
  readonly engagement: EngagementRecorder
  /** Resolves when nothing that was taken in waits for its commit. */
  readonly waitUntilIdle: () => Promise<unknown>
}

/** Creates both. They start with the first input. */
export function createIntake(context: Context, settings: Settings, prover: SignatureVerifier): Intake {
  const floodMonitor = createFloodMonitor(context, floodRulesOf(settings))
  const receiver = createReceiver(context, { prover, dryRun: false, notifyReplays: false, floodMonitor })
  const engagement = createEngagementRecorder(context, settings.tracking)
  return { receiver, engagement, waitUntilIdle: () => Promise.all([receiver.waitUntilIdle(), engagement.waitUntilIdle()]) }
}

function floodRulesOf({ flood }: Settings): FloodRules {
  return {
    account: { ...FLOOD_RULES.account, reports: flood.accountReports },
    peer: { ...FLOOD_RULES.peer, reports: flood.peerReports },
    token: { ...FLOOD_RULES.token, reports: flood.tokenReports },
    guess: FLOOD_RULES.guess,
  }
}
