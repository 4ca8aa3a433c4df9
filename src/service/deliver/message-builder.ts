/**
 * message-builder - mails made within the room that there is for them
 *
 * How large a mail becomes is known once it is made. The first of a request, and every large one, is made while no other is; if there is no room for
 * it, it is let go and made again when there is: so at most one is in memory beyond the room. Copies that follow wait before they are made. Between
 * large ones the event loop has its turn.
 *
 * See also: service/deliver/byte-semaphore, service/deliver/sender, service/deliver/render.
 */
import { setImmediate } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Release, Room } from './byte-semaphore.ts'

/** A mail as it goes out: the Return-Path, the recipient, and its bytes. */
export type Rendered = { readonly from: string; readonly to: string; readonly raw: Buffer }

/** `release` gives the room back, when the mail has gone. */
export type Made = { readonly rendered: Rendered; readonly release: Release }

/** Makes a mail of a body, which is known by its key. Faults: those of `render`. */
export type Make = (key: string, render: () => Promise<Rendered>) => Promise<Made>

/** A lawful mail without attachments: of such, all lines may be making one at once. */
const SMALL = 262_144
/** A number each. */
const SIZES = 10_000

/** Makes the workshop. */
export function createMake(room: Room): Make {
  const sizes = new LRUCache<string, number>({ max: SIZES })
  let last: Promise<unknown> = Promise.resolve()
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const working = last.then(() => setImmediate()).then(work)
    last = working.catch(() => undefined)
    return working
  }
  return async (key, render) => {
    for (;;) {
      const known = sizes.get(key) ?? 0
      const release = await room.take(known)
      const attempt = (): Promise<Made | null> => tryMake({ room, sizes, key, known, release }, render)
      try {
        const made = known > 0 && known <= SMALL ? await attempt() : await alone(attempt)
        if (made !== null) return made
      } catch (error) {
        release()
        throw error
      }
    }
  }
}

type Trying = {
  readonly room: Room
  readonly sizes: LRUCache<string, number>
  readonly key: string
  readonly known: number
  readonly release: Release
}

/** Null: it is larger than what was known, and there is no room for it. */
async function tryMake({ room, sizes, key, known, release }: Trying, render: () => Promise<Rendered>): Promise<Made | null> {
  const rendered = await render()
  const size = rendered.raw.length
  if (size <= known) return { rendered, release }
  sizes.set(key, size)
  release()
  const grown = room.tryTake(size)
  return grown === null ? null : { rendered, release: grown }
}
