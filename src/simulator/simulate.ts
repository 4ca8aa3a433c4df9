/**
 * simulate - a discrete-event simulation: the product's queue, simulated providers, and a virtual clock
 *
 * The queue dispatches what may leave now, the provider of each message responds, and the queue gets the result when the response has taken
 * its time. NDRs and complaints come back later. The ledger decides the status of each message. The same scenario, policy and seed give the
 * same run, to the byte.
 *
 * Pure apart from the values that it creates and owns. See also: simulator/scenario, simulator/provider-model, simulator/cached-reader, simulator/memory-ledger, simulator/metrics.
 */
import { normaliseAddress } from '../correlate/address-hash.ts'
import { applyAttemptResult, applyLaterReport } from '../queue/schedule/attempt-result.ts'
import {
  recordAttempt,
  recordExpiry,
  recordReport,
  forgetMessage,
  messageIdOf,
  registerMessage,
  deliveryOf,
  flushChanges,
} from './memory-ledger.ts'
import { scenarioStart } from './providers-in-scenario.ts'
import { outcomeOf, simulatedReply } from './cached-reader.ts'
import { createComplaintReport, createNdrReport } from './simulated-reports.ts'
import { verdictOfBlockingKey } from '../ledger/decide/attempt-reading.ts'
import type { QueueEvent } from '../queue/message.ts'
import { mailboxStateOf } from './mailbox-model.ts'
import type { ProviderResponse } from './provider-model.ts'
import { continueAttempt, startAttempt } from './attempt-start.ts'
import { releaseConnection } from './sender-connections.ts'
import { nextDispatchBatch, nextWakeAt, enqueue, applyCommand } from '../queue/queue.ts'
import { countMessage, countTransitions, type SimulationMetrics, metricsStepAt } from './metrics.ts'
import { type SimulationEvent, type SimulatedMessage, type RunState, createRunState, type SimulationOptions } from './run-state.ts'

const HOUR_MS = 3_600_000

/** The result of a run: the metrics, and the totals of the ledger's own counters. */
export type SimulationResult = {
  readonly metrics: SimulationMetrics
  readonly totals: ReadonlyMap<string, number>
  readonly endedAt: number
}

/** Runs a scenario to its end. Throws only what the queue throws for invalid options. */
export function runSimulation(setup: SimulationOptions): SimulationResult {
  const run = createRunState(setup)
  const end = scenarioStart(setup.scenario) + setup.scenario.hours * HOUR_MS
  const total = setup.scenario.campaign.reduce((sum, { mails }) => sum + mails, 0)
  let now = scenarioStart(setup.scenario)
  for (;;) {
    // All events of one moment come first, then the dispatch.
    if ((run.events.nextAt() ?? Number.POSITIVE_INFINITY) > now) dispatchDue(run, now)
    const next = run.events.pop()
    if (next === null || next.at > end) break
    now = next.at
    setup.onMoment?.(now)
    handleEvent(run, next.what, now)
    if (run.endedCount % 1_000 === 0) setup.onProgress?.(run.endedCount, total)
  }
  for (const message of run.messages.values()) closeMessage(run, message)
  flushChanges(run.ledger)
  return { metrics: run.metrics, totals: run.ledger.totals, endedAt: now }
}

function handleEvent(run: RunState, event: SimulationEvent, now: number): void {
  switch (event.kind) {
    case 'submit':
      return submitNext(run, event.campaign, now)
    case 'wake':
      run.wakeAt = Number.POSITIVE_INFINITY
      return
    case 'open':
      return continueAttempt(run, event.attempt, now)
    case 'answer':
      return finishAttempt(run, event, now)
    case 'report':
      return handleReport(run, event, now)
    case 'complaint':
      return handleComplaint(run, event, now)
    case 'recover':
      return applyQueueEvents(run, applyCommand(run.queue, { kind: 'recover-key', key: event.key, how: 'immediate' }, now), now)
  }
}

/** Dispatches what may leave now, and schedules the next wake-up. */
function dispatchDue(run: RunState, now: number): void {
  const { queue, options: setup } = run
  const capacity = setup.scenario.sender.connections - run.inFlight
  if (capacity > 0) {
    const { dispatches, events } = nextDispatchBatch(queue, now, capacity)
    applyQueueEvents(run, events, now)
    for (const dispatch of dispatches) startAttempt(run, dispatch, now)
  }
  const wake = nextWakeAt(queue, now)
  if (wake === null || wake >= run.wakeAt || run.inFlight >= setup.scenario.sender.connections) return
  run.wakeAt = Math.max(wake, now + 1)
  run.events.schedule(run.wakeAt, { kind: 'wake' })
}

/** Enqueues the next message of a campaign, unless one of our own lists suppresses it. */
function submitNext(run: RunState, campaign: number, now: number): void {
  const campaignPlan = run.campaigns[campaign]
  const n = run.nextMessage[campaign] ?? 0
  if (campaignPlan === undefined) return
  run.nextMessage[campaign] = n + 1
  if (n + 1 < campaignPlan.size) run.events.schedule(campaignPlan.submitAt(n + 1), { kind: 'submit', campaign })
  const planned = campaignPlan.messageAt(n)
  const provider = run.providers.get(planned.provider)
  const address = normaliseAddress(planned.recipient)
  if (provider === undefined || address === null) return
  const number = (run.metrics.mails += 1)
  const { account, recipientNumber, recipient, domain, mailboxes } = planned
  const id = messageIdOf(now, account, number)
  const message: SimulatedMessage = {
    id,
    number,
    account,
    recipientNumber,
    recipient,
    domain,
    provider,
    mailboxes,
    acceptedAt: now,
    firstAt: now,
    isEnded: false,
    pendingReports: 0,
  }
  run.messages.set(id, message)
  provider.metrics.mails += 1
  if (!registerMessage(run.ledger, { id, account, at: now, address, site: provider.site.site })) {
    provider.metrics.listed += 1
    message.isEnded = true
    closeMessage(run, message)
    return
  }
  metricsStepAt(run.metrics, provider.metrics, now).handed += 1
  enqueue(run.queue, { ...destinationOf(run, message), id, acceptedAt: now, attempts: 0, dueAt: 0 }, now)
}

function destinationOf(
  { options: setup }: RunState,
  { account, domain, provider }: SimulatedMessage,
): { account: number; domain: string; senderDomain: string; site: string; gateway: boolean; mxSet: string } {
  const { site, isGateway: gateway } = provider.site
  return { account, domain, senderDomain: setup.scenario.sender.domain, site, gateway, mxSet: provider.model.file.mx }
}

/** Applies the response of an attempt. */
function finishAttempt(
  run: RunState,
  { attempt: { dispatch, message, connections }, connection, response }: Extract<SimulationEvent, { readonly kind: 'answer' }>,
  now: number,
): void {
  const { provider } = message
  run.inFlight -= 1
  releaseConnection(connections, connection, response, now)
  const reading = run.readAttempt(dispatch, outcomeOf(response, provider.model.file.mx))
  const events = applyAttemptResult(run.queue, dispatch.number, reading.result, now)
  const end = events.find((event) => event.kind === 'mail.ended' && event.mailId === message.id)
  const final = end?.kind === 'mail.ended' && end.end !== 'given-up'
  recordAttempt(run.ledger, message.id, { attempt: { ...reading.attempt, final }, verdict: reading.verdict, at: now })
  if (reading.verdict === null) recordAccepted(run, { message, response, ip: dispatch.egressIp }, now)
  else if (!final) metricsStepAt(run.metrics, provider.metrics, now).deferred += 1
  applyQueueEvents(run, events, now)
}

/** Records an accepted message, and schedules what comes back later. */
function recordAccepted(
  run: RunState,
  { message, response, ip }: { message: SimulatedMessage; response: ProviderResponse; ip: string },
  now: number,
): void {
  const { metrics } = message.provider
  metricsStepAt(run.metrics, metrics, now).delivered += 1
  metrics.acceptedCount += 1
  metrics.totalDelayMs += now - message.acceptedAt
  if (response.report !== null) {
    message.pendingReports += 1
    run.events.schedule(now + response.report.afterMs, { kind: 'report', message, text: response.report.text })
  }
  if (response.complaint?.isReported === true) {
    message.pendingReports += 1
    run.events.schedule(now + response.complaint.afterMs, { kind: 'complaint', message, ip })
  }
}

/** Applies the events of the queue. */
function applyQueueEvents(run: RunState, events: readonly QueueEvent[], now: number): void {
  countTransitions(run.metrics, events)
  for (const event of events) {
    if (event.kind === 'queue.paused' && event.nextSendingAt === null)
      run.events.schedule(now + run.options.scenario.sender.operator_hours * HOUR_MS, { kind: 'recover', key: event.key })
    const message = event.kind === 'mail.ended' ? run.messages.get(event.mailId) : undefined
    if (event.kind !== 'mail.ended' || message === undefined) continue
    if (event.end === 'given-up') {
      const blockedVerdict = verdictOfBlockingKey(run.options.rules, message.domain, event.blockingKey)
      recordExpiry(run.ledger, message.id, { blockedVerdict, at: now })
    }
    message.isEnded = true
    recordEnded(run, message, now)
    if (message.pendingReports === 0) closeMessage(run, message)
  }
}

/** Records a message that left the queue. One that waited for a full mailbox, or for an unreachable domain, does not count for the drain. */
function recordEnded(run: RunState, message: SimulatedMessage, now: number): void {
  const { metrics, model } = message.provider
  run.endedCount += 1
  metricsStepAt(run.metrics, metrics, now).ended += 1
  metrics.endedAt = Math.max(metrics.endedAt, now)
  const isWaitingForMailbox = model.file.unreachable !== undefined || mailboxStateOf(model.seed, message) === 'full'
  if (!isWaitingForMailbox) metrics.drainedAt = Math.max(metrics.drainedAt, now)
}

function handleReport(run: RunState, { message, text }: { message: SimulatedMessage; text: string }, now: number): void {
  const { file } = message.provider.model
  const from = file.late?.from ?? ''
  const report = createNdrReport(message.recipient, { text, from, mx: file.mx })
  const subject = { attempt: 0, egressIp: '', site: message.provider.site.site, domain: message.domain }
  const { verdict } = run.readAttempt(subject, simulatedReply(text, file.mx))
  message.provider.metrics.reports += 1
  recordReport(run.ledger, message.id, { report, verdict, at: now })
  if (verdict?.reason === 'not-exist' && verdict.permanence === 'permanent') reportToQueue(run, message, 'not-exist', now)
  finishPending(run, message)
}

function handleComplaint(run: RunState, { message, ip }: { message: SimulatedMessage; ip: string }, now: number): void {
  const report = createComplaintReport(message.recipient, { from: message.provider.model.file.complaints?.from ?? '', ip })
  message.provider.metrics.complaints += 1
  recordReport(run.ledger, message.id, { report, verdict: null, at: now })
  reportToQueue(run, message, 'complaint', now)
  finishPending(run, message)
}

/** Passes to the queue what a later report says about an account's list. */
function reportToQueue(run: RunState, { account }: SimulatedMessage, kind: 'not-exist' | 'complaint', now: number): void {
  applyQueueEvents(run, applyLaterReport(run.queue, { kind, account }, now), now)
}

function finishPending(run: RunState, message: SimulatedMessage): void {
  message.pendingReports -= 1
  if (message.isEnded && message.pendingReports === 0) closeMessage(run, message)
}

/** Counts a message whose outcome is final, and drops it. */
function closeMessage(run: RunState, message: SimulatedMessage): void {
  const row = deliveryOf(run.ledger, message.id)
  if (row !== null) countMessage(message.provider.metrics, row)
  forgetMessage(run.ledger, message.id)
  run.messages.delete(message.id)
}
