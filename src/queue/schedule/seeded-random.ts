/**
 * seeded-random - random numbers as a hash: the same seed, subject and salt give the same number, in any order of calls
 *
 * What happens to a message must not depend on the attempts before it: two backoff policies with one seed meet the same mailboxes, the same
 * complaints and the same slow replies. Therefore a number is not the next of a stream but a hash of what it is for.
 *
 * Pure. See also: simulator/provider-model (the largest user).
 */

/** What a random number is for. Salts are never reused or changed: they are part of what a seed means. */
export const RANDOM_SALTS = {
  mailbox: 1,
  mailboxFreed: 2,
  drop: 3,
  latency: 4,
  report: 5,
  reportAt: 6,
  reportText: 7,
  complaint: 8,
  complaintAt: 9,
  submit: 10,
  recipient: 11,
  busy: 12,
  retry: 13,
  jitter: 14,
  content: 15,
} as const

const UINT32_RANGE = 2 ** 32

/** A number from 0 up to 1, evenly distributed. The arguments are integers. */
export function seededRandom(seed: number, subject: number, salt: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b)
  hash = mix(hash ^ subject)
  hash = mix(hash ^ Math.imul(salt, 0xc2b2ae35))
  return (hash >>> 0) / UINT32_RANGE
}

/** A hash step: every bit of the input changes about half of the bits of the result. */
function mix(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad)
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97)
  return hash ^ (hash >>> 15)
}

/** Maps a number from 0 to 1 to `low` … `high` on a logarithmic scale: small values are frequent, large ones rare. */
export function logUniform(unit: number, [low, high]: readonly [number, number]): number {
  return low <= 0 ? unit * high : low * (high / low) ** unit
}
