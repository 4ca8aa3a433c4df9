/**
 * replay - mails out of files into the store, or over SMTP into a running daemon
 *
 * Mails go as many at once as a batch holds, so that one commit serves many; ladders run from the time of the last Received unless the
 * caller says now. A mail that fails is counted and named, and the others go on.
 *
 * See also: import/mail-sources, smtp-server/envelope, service/receive/receive.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { ReceiveResult } from '../service/receive/receive-result.ts'
import { TRUNCATED_MAIL_BYTES, type IncomingMail } from '../service/receive/incoming-mail.ts'
import { recoverEnvelope } from '../smtp-server/envelope.ts'
import { readSources, type SourceMail } from './mail-sources.ts'

export type ReplayOptions = {
  readonly paths: readonly string[]
  readonly stdin: Readable
  /** Our domains: the envelope's recipient is looked for among them first. */
  readonly domains: readonly string[]
  readonly now: () => number
  /** Take now as the time of every mail, not the time of its last Received. */
  readonly usesCurrentTime: boolean
  readonly trustAs: 'operator' | null
  /** Bytes of a mail that are read whole; of a larger one the head is kept, as the listener does. */
  readonly maxMailBytes: number
  /** Where mails go: the receiver's `submit`, or a client of another daemon (which knows no outcome). */
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
  /** By the reason for which they lie in the inbox. */
  readonly inbox: ReadonlyMap<string, number>
}

/** Mails under way at once: what one batch holds. */
const MAX_CONCURRENT = 200

/** Sends every mail of the paths. Throws Fault `not_found` for a path that is not there; what a single mail meets is counted. */
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
