/**
 * attempt-start - starts the attempts that the queue dispatches: a connection, and the response of the provider
 *
 * The provider sees an attempt at once, or when a new connection may be opened; its response is due after its response time.
 * Mutates the run. See also: simulator/simulate (the loop), simulator/sender-connections, simulator/provider-model.
 */
import type { Dispatch } from '../queue/message.ts'
import { metricsStepAt, increment } from './metrics.ts'
import { type ProviderResponse, respondToAttempt, respondWithoutTls, type SimulatedAttempt } from './provider-model.ts'
import type { RunState, SimulatedMessage, StartedAttempt } from './run-state.ts'
import {
  createSenderConnections,
  openConnection,
  reserveOpening,
  type SenderConnection,
  type SenderConnections,
  sessionOf,
  takeIdle,
} from './sender-connections.ts'

/** Starts an attempt, at once or when a new connection may be opened. */
export function startAttempt(run: RunState, dispatch: Dispatch, now: number): void {
  const message = run.messages.get(dispatch.mailId)
  if (message === undefined) return
  run.inFlight += 1
  if (dispatch.attempt === 1) message.firstAt = now
  const attempt: StartedAttempt = { dispatch, message, connections: connectionsOf(run, dispatch, message) }
  const idle = takeIdle(attempt.connections, dispatch, now)
  const waitMs = idle === null ? reserveOpening(attempt.connections, now) : 0
  if (waitMs > 0) run.events.schedule(now + waitMs, { kind: 'open', attempt })
  else sendAttempt(run, attempt, idle, now)
}

/** Goes on with an attempt that waited for a new connection. One that has become idle meanwhile is as good. */
export function continueAttempt(run: RunState, attempt: StartedAttempt, now: number): void {
  sendAttempt(run, attempt, takeIdle(attempt.connections, attempt.dispatch, now), now)
}

function connectionsOf(run: RunState, dispatch: Dispatch, { provider }: SimulatedMessage): SenderConnections {
  const { file } = provider.model
  const key = `${dispatch.egressIp} ${file.name}`
  const known = run.connections.get(key)
  if (known !== undefined) return known
  const { queue, options } = run
  const created = createSenderConnections({ queue, rules: options.rules, sender: options.scenario.sender, file, dispatch })
  run.connections.set(key, created)
  return created
}

function sendAttempt(run: RunState, attempt: StartedAttempt, idle: SenderConnection | null, now: number): void {
  const { message, connections } = attempt
  const { metrics } = message.provider
  const connection = idle ?? openConnection(connections)
  if (idle === null) metrics.connections += 1
  const response = responseTo(attempt, connection, now)
  run.metrics.attempts += 1
  metrics.attempts += 1
  if (response.refusal !== null) {
    increment(metrics.wasted, response.refusal)
    metricsStepAt(run.metrics, metrics, now).wasted += 1
  }
  run.events.schedule(now + Math.max(1, response.durationMs), { kind: 'answer', attempt, connection, response })
}

function responseTo({ dispatch, message, connections }: StartedAttempt, connection: SenderConnection, now: number): ProviderResponse {
  const { model } = message.provider
  const attempt: SimulatedAttempt = {
    recipientNumber: message.recipientNumber,
    messageNumber: message.number,
    attempt: dispatch.attempt,
    at: now,
    firstAt: message.firstAt,
    ip: dispatch.egressIp,
    senderDomain: dispatch.senderDomain,
    recipient: message.recipient,
    domain: message.domain,
    id: message.id,
    connections: connections.open,
    session: sessionOf(connections, connection),
    mailboxes: message.mailboxes,
  }
  return connections.lacksTls ? respondWithoutTls(model, attempt) : respondToAttempt(model, attempt)
}
