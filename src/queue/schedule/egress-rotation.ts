/**
 * egress-rotation - shares messages among egress IPs by their weights: smooth weighted round robin
 *
 * With each message, every open IP earns its weight as credit; the IP with the most credit sends, and pays what all have earned. In any
 * series of messages each open IP has its share, give or take one message, and the messages of one IP are spread out. An IP that is
 * closed earns nothing, so that it has nothing to catch up with when it opens. IPs of weight 0 alternate while no other is open.
 *
 * Deterministic; changes the credit only. See also: queue/egress-pool (the weights), queue/schedule/dispatch (asks for the next IP).
 */

type RotatedIp = { readonly weight: number; credit: number }

const isReserve = ({ weight }: RotatedIp): boolean => weight === 0

const earningsOf = (ip: RotatedIp): number => (isReserve(ip) ? 1 : ip.weight)

/** All of them, in the order in which they are tried for the next message. */
export function rotationOrderOf<T extends RotatedIp>(ips: readonly T[]): readonly T[] {
  if (ips.length < 2) return ips
  const claimOf = (ip: T): number => ip.credit + earningsOf(ip)
  return ips.toSorted((a, b) => Number(isReserve(a)) - Number(isReserve(b)) || claimOf(b) - claimOf(a))
}

/** Counts a message for the IP that sends it. `closed`: those that were tried in vain. */
export function advanceRotation(ips: readonly RotatedIp[], sender: RotatedIp, closed: readonly RotatedIp[]): void {
  if (ips.length < 2) return
  let sum = 0
  for (const ip of ips) {
    if (isReserve(ip) !== isReserve(sender) || closed.includes(ip)) continue
    ip.credit += earningsOf(ip)
    sum += earningsOf(ip)
  }
  sender.credit -= sum
}
