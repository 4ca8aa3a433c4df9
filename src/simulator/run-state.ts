/**
 * run-state - the state of a running simulation, and its start
 *
 * Mutable, owned by one simulation. See also: simulator/simulate (the loop).
 */
import type { RuleTable } from '../classify/rule-table.ts'
import { type EventQueue, createEventQueue } from './event-queue.ts'
import { type MemoryLedger, createMemoryLedger } from './memory-ledger.ts'
import { type Campaign, planCampaigns } from './campaign.ts'
import { createScenarioProviders, type ScenarioProvider, scenarioStart } from './providers-in-scenario.ts'
import { type AttemptReader, createCachedReader } from './cached-reader.ts'
import type { Dispatch } from '../queue/message.ts'
import type { BackoffPolicy } from '../queue/backoff/policy.ts'
import type { SimulatedAttempt, ProviderResponse } from './provider-model.ts'
import type { ProviderFile } from './provider-file.ts'
import { createQueue, applyCommand, type Queue } from '../queue/queue.ts'
import { createQueueShaping, type ShapingTable } from '../queue/shaping/shaping-table.ts'
import type { Scenario } from './scenario.ts'
import type { SenderConnection, SenderConnections } from './sender-connections.ts'
import { createMetrics, type SimulationMetrics } from './metrics.ts'

export type SimulationOptions = {
  readonly scenario: Scenario
  readonly files: ReadonlyMap<string, ProviderFile>
  readonly rules: RuleTable
  readonly policy: BackoffPolicy
  /** The limits of receiving sites; null: none. */
  readonly shaping: ShapingTable | null
  /** Called now and then with the number of messages that have ended. */
  readonly onProgress?: (done: number, total: number) => void
  /** Called with the time of every event. */
  readonly onMoment?: (at: number) => void
}

/** A message while something can still happen to it. */
export type SimulatedMessage = {
  readonly id: string
  readonly number: number
  readonly account: number
  readonly recipientNumber: number
  readonly recipient: string
  readonly domain: string
  readonly provider: ScenarioProvider
  readonly mailboxes: SimulatedAttempt['mailboxes']
  readonly acceptedAt: number
  firstAt: number
  isEnded: boolean
  /** NDRs and complaints that are still to come. */
  pendingReports: number
}

/** An attempt, and the connections by which it leaves. */
export type StartedAttempt = { readonly dispatch: Dispatch; readonly message: SimulatedMessage; readonly connections: SenderConnections }

export type SimulationEvent =
  | { readonly kind: 'submit'; readonly campaign: number }
  | { readonly kind: 'wake' }
  /** The moment of an attempt that had to wait for a new connection. */
  | { readonly kind: 'open'; readonly attempt: StartedAttempt }
  | {
      readonly kind: 'answer'
      readonly attempt: StartedAttempt
      readonly connection: SenderConnection
      readonly response: ProviderResponse
    }
  | { readonly kind: 'report'; readonly message: SimulatedMessage; readonly text: string }
  | { readonly kind: 'complaint'; readonly message: SimulatedMessage; readonly ip: string }
  | { readonly kind: 'recover'; readonly key: string }

export type RunState = {
  readonly options: SimulationOptions
  readonly events: EventQueue<SimulationEvent>
  readonly campaigns: readonly Campaign[]
  /** The number of the next message of each campaign. */
  readonly nextMessage: number[]
  readonly queue: Queue
  readonly ledger: MemoryLedger
  readonly metrics: SimulationMetrics
  readonly readAttempt: AttemptReader
  readonly providers: ReadonlyMap<string, ScenarioProvider>
  readonly messages: Map<string, SimulatedMessage>
  /** By egress IP and provider. */
  readonly connections: Map<string, SenderConnections>
  inFlight: number
  endedCount: number
  wakeAt: number
}

function createScenarioQueue({ scenario: { seed, sender }, policy, shaping }: SimulationOptions): Queue {
  const { ips, connections_per_site: connectionsPerSite } = sender
  return createQueue({
    policy,
    seed,
    pools: { '*': ips },
    ...(connectionsPerSite === undefined ? {} : { connectionsPerSite }),
    ...(shaping === null ? {} : { shaping: createQueueShaping(shaping, 1) }),
  })
}

/** The state before the first event. */
export function createRunState(options: SimulationOptions): RunState {
  const { scenario, files, rules } = options
  const start = scenarioStart(scenario)
  const metrics = createMetrics(start)
  const queue = createScenarioQueue(options)
  const campaigns = planCampaigns(scenario, files, start)
  const events = createEventQueue<SimulationEvent>()
  for (const [campaign, campaignPlan] of campaigns.entries()) events.schedule(campaignPlan.submitAt(0), { kind: 'submit', campaign })
  if (scenario.sender.warm_up) {
    for (const egressIp of scenario.sender.ips) applyCommand(queue, { kind: 'warm-up', egressIp, startedAt: start }, start)
  }
  return {
    options,
    events,
    campaigns,
    nextMessage: campaigns.map(() => 0),
    queue,
    ledger: createMemoryLedger(scenario.sender.domain),
    metrics,
    readAttempt: createCachedReader(rules),
    providers: createScenarioProviders({ scenario, files, rules, metrics }),
    messages: new Map(),
    connections: new Map(),
    inFlight: 0,
    endedCount: 0,
    wakeAt: Number.POSITIVE_INFINITY,
  }
}
