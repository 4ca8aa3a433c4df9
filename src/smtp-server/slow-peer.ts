/**
 * slow-peer - decides which time limit a slow peer has broken
 *
 * An idle timeout alone does not stop an attacker, because a peer that sends one byte now and then is never idle. Three further limits
 * apply: the time from our reply to the next complete command, the time for a whole mail, and a minimum rate for a mail after a grace period.
 * Under stress (net/connection-table) the time for a command and the grace period are shorter.
 *
 * Pure. RFC 5321 §4.5.3.2 (minimum timeouts of a server). See also: smtp-server/connection, docs/SMTP.md.
 */

/**
 * What the session has been waiting for since our last reply. `server`: the next reply is ours, so no limit applies to the peer.
 * `since` is epoch milliseconds, `bytes` the size of the mail so far.
 */
export type PeerProgress = { readonly awaiting: 'command' | 'data' | 'server'; readonly since: number; readonly bytes: number }

export type SlowPeerLimits = {
  readonly commandTimeoutMs: number
  readonly dataTimeoutMs: number
  readonly dataGraceMs: number
  readonly dataBytesPerSecond: number
  readonly stressTimeoutMs: number
}

type SlowPeerReason = 'slowCommand' | 'stress' | 'longData' | 'slowData'

/** Returns the limit that a peer has broken by `now`, null when it has broken none. */
export function slowPeerReasonOf(
  { awaiting, since, bytes }: PeerProgress,
  limits: SlowPeerLimits,
  { now, isStressed }: { readonly now: number; readonly isStressed: boolean },
): SlowPeerReason | null {
  const elapsedMs = now - since
  if (awaiting === 'server') return null
  if (awaiting === 'command') {
    if (elapsedMs > limits.commandTimeoutMs) return 'slowCommand'
    return isStressed && elapsedMs > limits.stressTimeoutMs ? 'stress' : null
  }
  if (elapsedMs > limits.dataTimeoutMs) return 'longData'
  const graceMs = isStressed ? Math.min(limits.dataGraceMs, limits.stressTimeoutMs) : limits.dataGraceMs
  const isSlow = elapsedMs > graceMs && bytes * 1_000 < limits.dataBytesPerSecond * elapsedMs
  return isSlow ? 'slowData' : null
}

/** A mail that arrives more slowly than a modem counts as idle when its place is needed. */
const IDLE_BYTES_PER_SECOND = 4_096

/** Returns since when a session waits for its peer, for a listener that is full; null while the session or its peer works. */
export function idleSinceOf({ awaiting, since, bytes }: PeerProgress, limits: SlowPeerLimits, now: number): number | null {
  if (awaiting === 'server') return null
  if (awaiting === 'command') return since
  const elapsedMs = now - since
  return elapsedMs > limits.stressTimeoutMs && bytes * 1_000 < IDLE_BYTES_PER_SECOND * elapsedMs ? since : null
}
