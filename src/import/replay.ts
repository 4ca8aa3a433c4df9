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
import type { Outcome } from '../service/receive/receive-result.ts'
import { KEPT_OF_LARGE, type IncomingMail } from '../service/receive/incoming-mail.ts'
import { findEnvelope } from '../smtp-server/envelope.ts'
import { readSources, type SourceMail } from './mail-sources.ts'

export type ReplayOptions = {
  readonly paths: readonly string[]
  readonly stdin: Readable
  /** Our domains: the envelope's recipient is looked for among them first. */
  readonly domains: readonly string[]
  readonly now: () => number
  /** Take now as the time of every mail, not the time of its last Received. */
  readonly atNow: boolean
  readonly trustAs: 'operator' | null
  /** Bytes of a mail that are read whole; of a larger one the head is kept, as the listener does. */
  readonly mailSize: number
  /** Where mails go: the receiver's `submit`, or a client of another daemon (which knows no outcome). */
  readonly send: (mail: IncomingMail) => Promise<Outcome | null>
  readonly onMail: (name: string, outcome: Outcome | null) => void
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
const AT_ONCE = 200

/** Sends every mail of the paths. Throws Fault `not_found` for a path that is not there; what a single mail meets is counted. */
export async function replay(options: ReplayOptions): Promise<ReplaySummary> {
  const tally = {
    mails: 0,
    failed: 0,
    repeated: 0,
    kinds: new Map<string, number>(),
    subStatuses: new Map<number, number>(),
    inbox: new Map<string, number>(),
  }
  const underWay = new Set<Promise<void>>()
  for await (const source of readSources(options.paths, options.stdin)) {
    tally.mails++
    const one = sendOne(options, source, tally).finally(() => underWay.delete(one))
    underWay.add(one)
    if (underWay.size >= AT_ONCE) await Promise.race(underWay)
  }
  await Promise.all(underWay)
  return tally
}

type Tally = { failed: number; repeated: number; kinds: Map<string, number>; subStatuses: Map<number, number>; inbox: Map<string, number> }

async function sendOne(options: ReplayOptions, source: SourceMail, tally: Tally): Promise<void> {
  try {
    const outcome = await options.send(mailOf(options, source))
    if (outcome !== null) count(tally, outcome)
    options.onMail(source.name, outcome)
  } catch (error) {
    tally.failed++
    options.onFailure(source.name, error)
  }
}

function count(tally: Tally, outcome: Outcome): void {
  const add = <Key>(map: Map<Key, number>, key: Key): void => void map.set(key, (map.get(key) ?? 0) + 1)
  if (outcome.repeated) tally.repeated++
  add(tally.kinds, outcome.kind)
  for (const subStatus of outcome.subStatuses) add(tally.subStatuses, subStatus)
  if (outcome.inbox !== null) add(tally.inbox, outcome.inbox)
}

function mailOf(options: ReplayOptions, { raw }: SourceMail): IncomingMail {
  const envelope = findEnvelope(raw, options.domains)
  const now = options.now()
  const truncated = raw.length > options.mailSize
  return {
    raw: truncated ? raw.subarray(0, KEPT_OF_LARGE) : raw,
    size: raw.length,
    truncated,
    dataDigest: createHash('sha256').update(raw).digest('hex'),
    envelope: { from: envelope.from, to: envelope.to },
    peer: null,
    helo: null,
    at: options.atNow ? now : Math.min(envelope.at ?? now, now),
    receivedAt: now,
    source: 'replay',
    trustAs: options.trustAs,
    sessionId: randomUUID(),
  }
}
