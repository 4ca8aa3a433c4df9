/**
 * byte-semaphore - how many bytes of made mails may be in memory at once
 *
 * Who finds no room waits, and holds nothing but a number while he does. What is small goes past what is large: a few large mails to slow receivers keep
 * nobody else. What takes more than half of all is not passed, so that its turn comes; what is larger than all goes alone.
 *
 * See also: service/deliver/sender.
 */

/** Gives the bytes back. Idempotent. */
export type Release = () => void

export type Room = {
  /** Null: there is no room now. */
  readonly tryTake: (bytes: number) => Release | null
  /** Waits for it. */
  readonly take: (bytes: number) => Promise<Release>
}

type Waiter = { readonly bytes: number; readonly begin: (release: Release) => void }

/** Makes a room of so many bytes. */
export function createRoom(most: number): Room {
  const waiting: Waiter[] = []
  let used = 0
  const fits = (bytes: number): boolean => bytes === 0 || used === 0 || used + bytes <= most
  const hold = (bytes: number): Release => {
    let isHeld = true
    used += bytes
    return () => {
      if (!isHeld) return
      isHeld = false
      used -= bytes
      admit()
    }
  }
  const admit = (): void => {
    for (let at = 0; at < waiting.length;) {
      const waiter = waiting[at]
      if (waiter === undefined) return
      if (fits(waiter.bytes)) {
        waiting.splice(at, 1)
        waiter.begin(hold(waiter.bytes))
      } else if (waiter.bytes > most / 2) return
      else at += 1
    }
  }
  const tryTake = (bytes: number): Release | null =>
    fits(bytes) && (bytes === 0 || !waiting.some((waiter) => waiter.bytes > most / 2)) ? hold(bytes) : null
  return {
    tryTake,
    take: (bytes) => {
      const release = tryTake(bytes)
      return release === null ? new Promise((begin) => waiting.push({ bytes, begin })) : Promise.resolve(release)
    },
  }
}
