/**
 * slow-peer - which peer is too slow, and by which limit
 *
 * A peer that sends a byte now and then is never silent, so silence alone ends nobody who means harm. Three clocks run beside it: one from our
 * reply to the next whole command, one for all of a mail, and the least rate of a mail once its first seconds are over.
 *
 * Pure. RFC 5321 §4.5.3.2 (the least that a server waits). See also: smtp-server/connection, docs/smtp.md.
 */

/** What we wait for since our last reply. `ours`: the next word is ours, and no clock runs. Milliseconds, bytes. */
export type Progress = { readonly waitsFor: 'command' | 'data' | 'ours'; readonly since: number; readonly bytes: number }

export type PaceLimits = {
  readonly commandTimeout: number
  readonly dataTimeout: number
  readonly dataGrace: number
  readonly dataBytesPerSecond: number
}

export type Slowness = 'slowCommand' | 'longData' | 'slowData'

/** The limit that a peer has broken by now, null while it keeps them. */
export function slownessOf({ waitsFor, since, bytes }: Progress, limits: PaceLimits, now: number): Slowness | null {
  const elapsed = now - since
  if (waitsFor === 'command') return elapsed > limits.commandTimeout ? 'slowCommand' : null
  if (waitsFor === 'ours') return null
  if (elapsed > limits.dataTimeout) return 'longData'
  const isSlow = elapsed > limits.dataGrace && bytes * 1_000 < limits.dataBytesPerSecond * elapsed
  return isSlow ? 'slowData' : null
}
