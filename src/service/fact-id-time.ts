/**
 * fact-id-time - the time within fact ids, which are UUIDv7
 *
 * Pure. RFC 9562 §5.7. See also: service/fact-ids.
 */

/** The lowest id of a moment (epoch ms): every id created before is lower. */
export function lowestIdAt(at: number): string {
  const digits = Math.max(0, Math.floor(at)).toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-0000-0000-000000000000`
}

/** When an id was created (epoch ms). Total: 0 for text that is not an id. */
export function timeOfId(id: string): number {
  const at = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
  return Number.isNaN(at) ? 0 : at
}
