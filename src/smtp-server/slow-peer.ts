/**
 * slow-peer - decides which time limit a slow peer has broken
 *
 * An idle timeout alone does not stop an attacker, because a peer that sends one byte now and then is never idle. Three further limits
 * apply: the time from our reply to the next complete command, the time for a whole mail, and a minimum rate for a mail after a grace period.
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
}

type SlowPeerReason = 'slowCommand' | 'longData' | 'slowData'

/** Returns the limit that a peer has broken by `now`, null when it has broken none. */
export function slowPeerReasonOf({ awaiting, since, bytes }: PeerProgress, limits: SlowPeerLimits, now: number): SlowPeerReason | null {
  const elapsedMs = now - since
  if (awaiting === 'command') return elapsedMs > limits.commandTimeoutMs ? 'slowCommand' : null
  if (awaiting === 'server') return null
  if (elapsedMs > limits.dataTimeoutMs) return 'longData'
  const isSlow = elapsedMs > limits.dataGraceMs && bytes * 1_000 < limits.dataBytesPerSecond * elapsedMs
  return isSlow ? 'slowData' : null
}
