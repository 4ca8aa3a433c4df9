/**
 * slow-peer - which peer is too slow, and by which limit
 *
 * A peer that sends a byte now and then is never silent, so silence alone ends nobody who means harm. Three clocks run beside it: one from our
 * reply to the next whole command, one for all of a mail, and the least rate of a mail once its first seconds are over.
 *
 * Pure. RFC 5321 §4.5.3.2 (the least that a server waits). See also: smtp-server/connection, docs/smtp.md.
 */

/** What we wait for since our last reply. `ours`: the next word is ours, and no clock runs. Milliseconds, bytes. */
export type PeerProgress = { readonly awaiting: 'command' | 'data' | 'ours'; readonly since: number; readonly bytes: number }

export type SlowPeerLimits = {
  readonly commandTimeoutMs: number
  readonly dataTimeoutMs: number
  readonly dataGraceMs: number
  readonly dataBytesPerSecond: number
}

export type SlowPeerReason = 'slowCommand' | 'longData' | 'slowData'

/** The limit that a peer has broken by now, null while it keeps them. */
export function slowPeerReasonOf({ awaiting, since, bytes }: PeerProgress, limits: SlowPeerLimits, now: number): SlowPeerReason | null {
  const elapsedMs = now - since
  if (awaiting === 'command') return elapsedMs > limits.commandTimeoutMs ? 'slowCommand' : null
  if (awaiting === 'ours') return null
  if (elapsedMs > limits.dataTimeoutMs) return 'longData'
  const isSlow = elapsedMs > limits.dataGraceMs && bytes * 1_000 < limits.dataBytesPerSecond * elapsedMs
  return isSlow ? 'slowData' : null
}
