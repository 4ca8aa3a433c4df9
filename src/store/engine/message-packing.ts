/**
 * message-packing - values packed for the way between two threads
 *
 * A structured clone copies the whole buffer behind every byte array that it meets: 8 KB for a 16-byte id out of Node's pool. So
 * the bytes of a message travel in one blob that is transferred, and in their places stand lengths.
 *
 * Pure. Invariant: open(pack(x)) is x. See also: store/engine/sqlite (one end), store/engine/sqlite-worker (the other).
 */
import type { Value } from './value.ts'

/** Values in their order; at each of `spots` stands the length of bytes that lie in the blob, one behind the other. */
export type Packed = { readonly values: (null | number | string)[]; readonly spots: readonly number[] }

export type Packer = { add(values: readonly Value[]): Packed; blob(): Uint8Array<ArrayBuffer> }

/** Packs several lists into one blob. Call `blob` once, last. */
export function createPacker(): Packer {
  const parts: Uint8Array[] = []
  let size = 0
  return {
    add(values) {
      const spots: number[] = []
      const plain = values.map((value, i) => {
        if (!(value instanceof Uint8Array)) return value
        spots.push(i)
        parts.push(value)
        size += value.byteLength
        return value.byteLength
      })
      return { values: plain, spots }
    },
    blob() {
      const blob = new Uint8Array(size)
      let at = 0
      for (const part of parts) {
        blob.set(part, at)
        at += part.byteLength
      }
      return blob
    },
  }
}

/** Reads lists back in the order in which they were added. */
export function createUnpacker(blob: Uint8Array): (packed: Packed) => Value[] {
  let at = 0
  return ({ values, spots }) => {
    const full: Value[] = values
    for (const spot of spots) {
      const size = Number(values[spot])
      full[spot] = blob.subarray(at, at + size)
      at += size
    }
    return full
  }
}
