/**
 * message-packing - packs values for a message between two threads
 *
 * A structured clone copies the whole buffer behind every byte array: 8 KB for a 16-byte id from Node's pool. So all bytes of a message
 * travel in one transferred blob, and the lists hold their lengths instead.
 *
 * Pure. Invariant: unpack(pack(x)) equals x. See also: store/engine/sqlite-thread (one end), store/engine/sqlite-worker (the other).
 */
import type { SqlValue } from './value.ts'

/** Values in their order. At each of `bytePositions` is the length of bytes that are in the blob, one after the other. */
export type PackedValues = { readonly values: (null | number | string)[]; readonly bytePositions: readonly number[] }

export type MessagePacker = { add(values: readonly SqlValue[]): PackedValues; blob(): Uint8Array<ArrayBuffer> }

/** Packs several lists into one blob. Call `blob` once, last. */
export function createMessagePacker(): MessagePacker {
  const parts: Uint8Array[] = []
  let size = 0
  return {
    add(values) {
      const bytePositions: number[] = []
      const plain = values.map((value, i) => {
        if (!(value instanceof Uint8Array)) return value
        bytePositions.push(i)
        parts.push(value)
        size += value.byteLength
        return value.byteLength
      })
      return { values: plain, bytePositions }
    },
    blob() {
      const blob = new Uint8Array(size)
      let offset = 0
      for (const part of parts) {
        blob.set(part, offset)
        offset += part.byteLength
      }
      return blob
    },
  }
}

/** Unpacks lists in the order in which they were added. */
export function createMessageUnpacker(blob: Uint8Array): (packed: PackedValues) => SqlValue[] {
  let offset = 0
  return ({ values, bytePositions }) => {
    const unpacked: SqlValue[] = values
    for (const position of bytePositions) {
      const size = Number(values[position])
      unpacked[position] = blob.subarray(offset, offset + size)
      offset += size
    }
    return unpacked
  }
}
