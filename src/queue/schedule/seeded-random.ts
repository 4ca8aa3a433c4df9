/**
 * seeded-random - chance that is an argument: the same seed, subject and salt give the same number, in whatever order they are asked
 *
 * A mail's fate must not depend on how often anybody knocked before it: two pause policies on one seed meet the same mailboxes, the same
 * complaints and the same slow answers. So a number is no draw from a stream but a hash of what it is for.
 *
 * Pure. See also: simulator/provider-model (who rolls).
 */

/** What a roll is for. Numbers are never reused: they are part of what a seed means. */
export const RANDOM_SALTS = {
  fate: 1,
  fateKind: 2,
  drop: 3,
  pace: 4,
  late: 5,
  lateAt: 6,
  lateText: 7,
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

/** A number from 0 up to 1, evenly spread. Integers in. */
export function seededRandom(seed: number, subject: number, salt: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b)
  hash = mix(hash ^ subject)
  hash = mix(hash ^ Math.imul(salt, 0xc2b2ae35))
  return (hash >>> 0) / UINT32_RANGE
}

/** Every bit of the input moves about half of the bits of the result. */
function mix(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad)
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97)
  return hash ^ (hash >>> 15)
}

/** From `low` to `high`, where each doubling is as likely as the next: small delays are many, large ones few. */
export function logUniform(unit: number, [low, high]: readonly [number, number]): number {
  return low <= 0 ? unit * high : low * (high / low) ** unit
}
