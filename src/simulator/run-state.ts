/**
 * run-state - all that a simulation holds while it runs, and how it begins
 *
 * Mutable, owned by one simulation. See also: simulator/simulate (what happens on it).
 */
import type { RuleTable } from '../classify/rule-table.ts'
import { type Agenda, createAgenda } from './event-queue.ts'
import { type Books, openBooks } from './memory-ledger.ts'
import { type Campaign, planCampaigns } from './campaign.ts'
import { castProviders, type Post, startOf } from './providers-in-scenario.ts'
import { createReader, type Reader, zonesOf } from './attempt-reading.ts'
import type { Dispatch } from '../queue/message.ts'
import type { Policy } from '../queue/backoff/policy.ts'
import type { Knock, Met } from './provider-model.ts'
import type { ProviderFile } from './provider-file.ts'
import { createQueue, operate, type Queue } from '../queue/queue.ts'
import type { Scenario } from './scenario.ts'
import { openScore, type Score } from './metrics.ts'

export type Setup = {
  readonly scenario: Scenario
  readonly files: ReadonlyMap<string, ProviderFile>
  readonly rules: RuleTable
  readonly policy: Policy
  /** Called now and then with the mails that have ended. */
  readonly onProgress?: (done: number, total: number) => void
  /** Called with the moment of everything that happens. */
  readonly onMoment?: (at: number) => void
}

/** A mail while something can still happen to it. */
export type Letter = {
  readonly id: string
  readonly number: number
  readonly account: number
  readonly person: number
  readonly recipient: string
  readonly domain: string
  readonly post: Post
  readonly mailboxes: Knock['mailboxes']
  readonly at: number
  firstAt: number
  ended: boolean
  /** Reports and complaints on their way. */
  pending: number
}

export type Happening =
  | { readonly kind: 'submit'; readonly campaign: number }
  | { readonly kind: 'wake' }
  | { readonly kind: 'answer'; readonly dispatch: Dispatch; readonly letter: Letter; readonly met: Met }
  | { readonly kind: 'report'; readonly letter: Letter; readonly text: string }
  | { readonly kind: 'complaint'; readonly letter: Letter; readonly ip: string }
  | { readonly kind: 'recover'; readonly key: string }

export type Play = {
  readonly setup: Setup
  readonly agenda: Agenda<Happening>
  readonly campaigns: readonly Campaign[]
  /** The next mail of each campaign. */
  readonly next: number[]
  readonly queue: Queue
  readonly books: Books
  readonly score: Score
  readonly read: Reader
  readonly zones: ReadonlyMap<string, string>
  readonly posts: ReadonlyMap<string, Post>
  readonly letters: Map<string, Letter>
  /** Open connections by address and provider. */
  readonly connections: Map<string, number>
  inFlight: number
  done: number
  wakeAt: number
}

/** The moment before anything happens. */
export function setUp(setup: Setup): Play {
  const { scenario, files, rules, policy } = setup
  const start = startOf(scenario)
  const score = openScore(start)
  const queue = createQueue({ policy, seed: scenario.seed, pools: { '*': scenario.sender.ips } })
  const campaigns = planCampaigns(scenario, files, start)
  const agenda = createAgenda<Happening>()
  for (const [campaign, plan] of campaigns.entries()) agenda.put(plan.atOf(0), { kind: 'submit', campaign })
  if (scenario.sender.warm_up) {
    for (const egressIp of scenario.sender.ips) operate(queue, { kind: 'warm-up', egressIp, startedAt: start }, start)
  }
  return {
    setup,
    agenda,
    campaigns,
    next: campaigns.map(() => 0),
    queue,
    books: openBooks(scenario.sender.domain),
    score,
    read: createReader(rules),
    zones: zonesOf(rules),
    posts: castProviders({ scenario, files, rules, score }),
    letters: new Map(),
    connections: new Map(),
    inFlight: 0,
    done: 0,
    wakeAt: Number.POSITIVE_INFINITY,
  }
}
