/**
 * waiting-reason - why one message waits, from its row and the status of its lane
 *
 * The message's own reasons come first (it is being sent, its retry is not due), then what holds its lane. Pure; time is an argument.
 *
 * See also: queue/observe/lane-view (the lane), service/deliver/observe/waiting-message (reads both), docs/QUEUE.md.
 */
import type { EvidenceReply } from '../message.ts'
import { keyReasonOf, parseKey } from '../backoff/backoff-key.ts'
import type { LaneStatus } from './lane-view.ts'

/**
 * `sending`: an attempt is in progress; `scheduled`: until its send time; `deferred`: until its retry; `held`: a closed key holds its lane; `due`: it waits for its lane's share; `loading`: no node has it in
 * memory yet; `not-delivering`: no node delivers.
 */
export const WAITING_STATES = ['sending', 'scheduled', 'deferred', 'held', 'due', 'loading', 'not-delivering'] as const

/** The row of a queued message. */
type WaitingMessage = {
  readonly requestedAt: number | null
  readonly dueAt: number
  readonly attempts: number
  readonly dispatchedAt: number | null
  readonly refusedBy: readonly string[]
  readonly labelId: number | null
}

export type WaitingReason = {
  readonly state: (typeof WAITING_STATES)[number]
  /** One sentence for people. */
  readonly text: string
  /** What holds its lane, in the user's words; null: nothing does. */
  readonly reason: string | null
  readonly key: string | null
  readonly class: string | null
  /** Null: at once, or when a result or a person opens the key. */
  readonly nextSendingAt: number | null
  readonly attempts: number
  /** Egress IPs that were refused. */
  readonly refusedBy: readonly string[]
  /** Messages of its lane that wait; null: not known. */
  readonly waiting: number | null
  readonly evidence: readonly EvidenceReply[]
}

const TEXTS = {
  sending: 'An attempt is in progress.',
  loading: 'It was just accepted, or moves between nodes: its lane is not known yet.',
  'not-delivering': 'No node delivers at present: check delivery.mode and the daemons.',
} as const

/** Explains why a message waits. `lane` null: no node has the lane in memory. */
export function explainWaiting(
  message: WaitingMessage,
  status: LaneStatus | null,
  { isDelivering, now }: { readonly isDelivering: boolean; readonly now: number },
): WaitingReason {
  const lane = status === null ? null : laneOfLabel(status, message.labelId)
  const base = {
    reason: lane?.reason ?? null,
    key: lane?.key ?? null,
    class: lane?.class ?? null,
    nextSendingAt: null,
    attempts: message.attempts,
    refusedBy: message.refusedBy,
    waiting: lane?.waiting ?? null,
    evidence: lane?.evidence ?? [],
  }
  if (!isDelivering) return { ...base, state: 'not-delivering', text: TEXTS['not-delivering'] }
  if (message.dispatchedAt !== null) return { ...base, state: 'sending', text: TEXTS.sending }
  const heldUntil = holdOf(lane)
  if (isScheduled(message, now)) return { ...base, state: 'scheduled', text: scheduledText(message), nextSendingAt: message.dueAt }
  const isDeferred = message.dueAt > now && (heldUntil === null || message.dueAt >= heldUntil)
  if (isDeferred) return { ...base, state: 'deferred', text: deferredText(message), nextSendingAt: message.dueAt }
  if (lane === null) return { ...base, state: 'loading', text: TEXTS.loading }
  if (heldUntil !== null)
    return { ...base, state: 'held', text: heldText(lane, heldUntil), nextSendingAt: heldUntil === Infinity ? null : heldUntil }
  return { ...base, state: 'due', text: dueText(lane) }
}

/** The lane as messages of one label see it: the pause of their label holds them, that of another label does not. */
function laneOfLabel(lane: LaneStatus, label: number | null): LaneStatus {
  const [pause] = (lane.pausedLabels ?? []).filter((each) => each.label === label).toSorted((a, b) => b.until - a.until)
  const heldUntil = isLabelPause(lane.key) ? null : holdOf(lane)
  if (pause !== undefined && pause.until > (heldUntil ?? 0)) {
    const { key, until: nextSendingAt } = pause
    return { ...lane, state: 'manual', isStopped: true, key, reason: keyReasonOf(key), class: null, nextSendingAt }
  }
  return isLabelPause(lane.key) && lane.pausedLabels?.every((each) => each.label !== label) === true
    ? {
        ...lane,
        state: 'active',
        isStopped: false,
        key: null,
        reason: null,
        class: null,
        nextSendingAt: null,
        perMinuteInForce: lane.perMinute,
      }
    : lane
}

function isLabelPause(id: string | null): boolean {
  const key = id === null ? null : parseKey(id)
  return key?.kind === 'manual' && key.label !== null
}

/** When the key opens that holds the lane; Infinity: nobody knows. Null: the lane may send. */
function holdOf(lane: LaneStatus | null): number | null {
  if (lane === null || lane.key === null) return null
  const isHeld =
    lane.isStopped || lane.state === 'manual' || lane.state === 'probing' || (lane.state === 'limited' && lane.nextSendingAt !== null)
  return isHeld ? (lane.nextSendingAt ?? Infinity) : null
}

const isScheduled = ({ requestedAt, attempts, dueAt }: WaitingMessage, now: number): boolean =>
  requestedAt !== null && attempts === 0 && dueAt > now

const scheduledText = ({ dueAt }: WaitingMessage): string =>
  `It waits for its send time, ${new Date(dueAt).toISOString()}, and is sent from then on as its lane allows.`

const deferredText = ({ attempts, dueAt }: WaitingMessage): string =>
  attempts === 0
    ? `It is not to be sent before ${new Date(dueAt).toISOString()}.`
    : `It was deferred after ${attempts === 1 ? 'one attempt' : `${attempts} attempts`} and is tried again at ${new Date(dueAt).toISOString()}.`

function heldText({ reason, state, key, class: name }: LaneStatus, until: number): string {
  const held = isLabelPause(key) ? 'the messages of its label' : 'its lane'
  const cause = `${reason ?? 'A limit'}${name === null ? '' : ` (${name})`} holds ${held}`
  if (state === 'probing') return `${cause}: a few messages of the lane test whether the receiver accepts mail again.`
  return until === Infinity ? `${cause} until a reply or a person opens it.` : `${cause} until ${new Date(until).toISOString()}.`
}

function dueText({ waiting, perMinuteInForce, reason }: LaneStatus): string {
  const pace =
    perMinuteInForce === null || perMinuteInForce === undefined
      ? ''
      : `, which may send ${Number(perMinuteInForce.toFixed(1))} a minute now${reason === null ? '' : ` (${reason})`}`
  return `It is due and waits for its share: ${waiting} ${waiting === 1 ? 'message waits' : 'messages wait'} in its lane${pace}.`
}
