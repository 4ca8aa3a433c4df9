/**
 * attempt-log - one line of JSON for each attempt of the delivery queue, in a file
 *
 * A line is written when the outcome is committed, so it says what the timeline says. The file is no part of the store: it lags a moment behind, and what the
 * disk does not take is counted and is missing in it. Without `withRecipients` no line contains the local part of the recipient: the handle of the mail ends
 * before its address, and replies are redacted.
 *
 * See also: service/deliver/delivery-commit (the caller), service/deliver/observe/rotated-file, docs/DELIVERY.md (Attempt log).
 */
import { copyHandleOf } from '../../../correlate/api-handle.ts'
import type { ObservedAttempt } from '../../../ledger/decide/attempt.ts'
import type { DeliveryRow, LedgerState } from '../../../ledger/project/state.ts'
import { redactLocalParts } from '../../../mail/redact-local-parts.ts'
import type { FinalOutcome } from '../../../queue/message.ts'
import type { Telemetry } from '../../../telemetry.ts'
import type { MailUpdate } from '../mail-update.ts'
import { createRotatedFile } from './rotated-file.ts'

type AttemptLogOptions = {
  readonly path: string
  readonly maxBytes: number
  readonly keptFiles: number
  /** Whether lines name the recipient. */
  readonly withRecipients: boolean
  readonly telemetry: Pick<Telemetry, 'log' | 'count'>
}

export type DeliveryAttemptLog = {
  /** Writes the attempts among committed updates. Never throws, never waits. */
  readonly record: (updates: readonly MailUpdate[], ledger: Pick<LedgerState, 'deliveries'>) => void
  /** Flushes. Idempotent; never rejects. */
  readonly close: () => Promise<void>
}

const WARN_INTERVAL_MS = 60_000

/** Creates the log; its file is opened with the first attempt. */
export function createDeliveryAttemptLog({ telemetry, withRecipients, ...fileOptions }: AttemptLogOptions): DeliveryAttemptLog {
  const countLines = (outcome: 'written' | 'dropped', lines: number): void =>
    telemetry.count('bounced_attempt_log_lines_total', { outcome }, lines)
  let warnedAt = -Infinity
  const file = createRotatedFile({
    ...fileOptions,
    onWritten: (lines) => countLines('written', lines),
    onDropped: (lines, error) => {
      countLines('dropped', lines)
      const now = performance.now()
      if (now - warnedAt < WARN_INTERVAL_MS) return
      warnedAt = now
      const { path } = fileOptions
      telemetry.log.warn(
        { file: path, err: error ?? undefined },
        'delivery.attemptLog cannot be written; lines are missing in it, mail is delivered',
      )
    },
  })
  return {
    record: (updates, { deliveries }) => {
      for (const update of updates) {
        if (update.kind !== 'attempted') continue
        file.append(JSON.stringify(attemptLineOf(update, deliveries.get(update.ref.deliveryId) ?? null, withRecipients)))
      }
    },
    close: file.close,
  }
}

type AttemptUpdate = Extract<MailUpdate, { readonly kind: 'attempted' }>

/** The fields of a line. Total. `delivery` null: it has been removed. */
function attemptLineOf(update: AttemptUpdate, delivery: DeliveryRow | null, withRecipients: boolean): object {
  const { ref, at, end, transfer = null, attemptReading } = update
  const { attempt, verdict } = attemptReading
  const { deliveryId, account } = ref
  const connection = transfer?.connection ?? null
  const startedAt = transfer?.startedAt ?? update.dispatchedAt
  return {
    time: new Date(at).toISOString(),
    ...nameOf(delivery, withRecipients),
    deliveryId,
    account,
    domain: delivery?.domain ?? null,
    site: attempt.site,
    egressIp: attempt.egressIp,
    ehlo: connection?.ehlo ?? null,
    host: connection?.host ?? attempt.mx,
    hostIp: connection?.address ?? null,
    tls: connection?.tls ?? null,
    isReused: connection?.isReused ?? null,
    bytes: transfer?.bytes ?? null,
    queuedMs: delivery === null ? null : Math.max(0, startedAt - delivery.requestedAt),
    connectMs: connection?.connectMs ?? null,
    totalMs: transfer?.totalMs ?? null,
    phase: transfer?.phase ?? null,
    code: attempt.code,
    status: attempt.status,
    text: redactRecipient(attempt.text, delivery?.recipient ?? null),
    error: attempt.error,
    outcome: outcomeOf(end, attempt),
    reason: verdict?.reason ?? null,
    rule: verdict?.rule ?? null,
    backoffClass: verdict?.backoffClass ?? null,
    attempt: attempt.n,
    final: end !== null,
  }
}

function nameOf(delivery: DeliveryRow | null, withRecipients: boolean): object {
  const emailId = delivery?.emailId ?? null
  if (withRecipients) return { emailId, recipient: delivery?.recipient ?? null }
  return { emailId: emailId === null ? null : copyHandleOf(emailId) }
}

function outcomeOf(end: FinalOutcome | null, { error }: ObservedAttempt): string {
  if (end !== null) return end
  if (error === null) return 'deferred'
  return error === 'unknown' ? 'unknown' : 'unreachable'
}

/** What continues a word. */
const WORD = /[\p{L}\p{N}]/u

/** Replaces the local parts of addresses, and that of the recipient also where it stands alone ("no such user: ann"). */
function redactRecipient(text: string, recipient: string | null): string {
  const redacted = redactLocalParts(text)
  // A quoted local part (RFC 5321 §4.1.2) is often repeated without its quotes.
  const localPart = recipient?.slice(0, recipient.lastIndexOf('@')).replaceAll(/["\\]/g, '').toLowerCase() ?? ''
  if (localPart === '') return redacted
  const lower = redacted.toLowerCase()
  // Lower case of another length: offsets would not fit.
  if (lower.length !== redacted.length) return lower.replaceAll(localPart, '*')
  let from = 0
  let result = ''
  for (let at = lower.indexOf(localPart); at >= 0; at = lower.indexOf(localPart, at + localPart.length)) {
    const isWhole = !WORD.test(lower.charAt(at - 1)) && !WORD.test(lower.charAt(at + localPart.length))
    if (!isWhole) continue
    result += `${redacted.slice(from, at)}*`
    from = at + localPart.length
  }
  return result + redacted.slice(from)
}
