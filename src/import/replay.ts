/**
 * replay - imports mails from files into the store, or sends them over SMTP to a running daemon
 *
 * Submits as many mails at once as a batch holds, so that one commit covers many. Each mail has the time of its topmost Received, from which
 * suppression ladders are computed, unless the caller asks for the current time. A mail that fails is counted and reported; the others go on.
 *
 * See also: import/mail-sources, import/recovered-envelope, service/receive/receive.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { ReceiveResult } from '../service/receive/receive-result.ts'
import { TRUNCATED_MAIL_BYTES, type IncomingMail } from '../service/receive/incoming-mail.ts'
import { readSources, type SourceMail } from './mail-sources.ts'
import { recoverEnvelope } from './recovered-envelope.ts'

export type ReplayOptions = {
  readonly paths: readonly string[]
  readonly stdin: Readable
  /** Our domains. An address at one of them is preferred as the envelope recipient. */
  readonly domains: readonly string[]
  readonly now: () => number
  /** Gives every mail the current time instead of the time of its topmost Received. */
  readonly usesCurrentTime: boolean
  readonly trustAs: 'operator' | null
  /** Largest mail that is kept whole, in bytes. A larger one is truncated as the SMTP listener does. */
  readonly maxMailBytes: number
  /** Submits a mail. Resolves to null when the outcome is unknown, as it is over SMTP. */
  readonly send: (mail: IncomingMail) => Promise<ReceiveResult | null>
  readonly onMail: (name: string, outcome: ReceiveResult | null) => void
  readonly onFailure: (name: string, error: unknown) => void
}

export type ReplaySummary = {
  readonly mails: number
  readonly failed: number
  readonly repeated: number
  readonly kinds: ReadonlyMap<string, number>
  readonly subStatuses: ReadonlyMap<number, number>
  /** Mails in the inbox, by reason. */
  readonly inbox: ReadonlyMap<string, number>
}

/** Mails that are submitted at the same time: the size of one batch. */
const MAX_CONCURRENT = 200

/** Submits every mail of the paths. Counts the failures of single mails. Faults: not_found (a path does not exist). */
export async function replayMails(options: ReplayOptions): Promise<ReplaySummary> {
  const summary = {
    mails: 0,
    failed: 0,
    repeated: 0,
    kinds: new Map<string, number>(),
    subStatuses: new Map<number, number>(),
    inbox: new Map<string, number>(),
  }
  const inFlight = new Set<Promise<void>>()
  for await (const source of readSources(options.paths, options.stdin)) {
    summary.mails++
    const replaying = replayOne(options, source, summary).finally(() => inFlight.delete(replaying))
    inFlight.add(replaying)
    if (inFlight.size >= MAX_CONCURRENT) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
  return summary
}

type MutableSummary = {
  failed: number
  repeated: number
  kinds: Map<string, number>
  subStatuses: Map<number, number>
  inbox: Map<string, number>
}

async function replayOne(options: ReplayOptions, source: SourceMail, summary: MutableSummary): Promise<void> {
  try {
    const outcome = await options.send(incomingMailOf(options, source))
    if (outcome !== null) addOutcome(summary, outcome)
    options.onMail(source.name, outcome)
  } catch (error) {
    summary.failed++
    options.onFailure(source.name, error)
  }
}

function addOutcome(summary: MutableSummary, outcome: ReceiveResult): void {
  const add = <Key>(map: Map<Key, number>, key: Key): void => void map.set(key, (map.get(key) ?? 0) + 1)
  if (outcome.isDuplicate) summary.repeated++
  add(summary.kinds, outcome.kind)
  for (const subStatus of outcome.subStatuses) add(summary.subStatuses, subStatus)
  if (outcome.inboxReason !== null) add(summary.inbox, outcome.inboxReason)
}

function incomingMailOf(options: ReplayOptions, { raw }: SourceMail): IncomingMail {
  const envelope = recoverEnvelope(raw, options.domains)
  const now = options.now()
  const truncated = raw.length > options.maxMailBytes
  return {
    raw: truncated ? raw.subarray(0, TRUNCATED_MAIL_BYTES) : raw,
    size: raw.length,
    truncated,
    dataDigest: createHash('sha256').update(raw).digest('hex'),
    envelope: { from: envelope.from, to: envelope.to },
    peer: null,
    helo: null,
    at: options.usesCurrentTime ? now : Math.min(envelope.at ?? now, now),
    receivedAt: now,
    source: 'replay',
    trustAs: options.trustAs,
    sessionId: randomUUID(),
  }
}
