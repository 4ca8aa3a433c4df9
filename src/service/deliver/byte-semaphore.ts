/**
 * byte-semaphore - how many bytes of made mails may be in memory at once
 *
 * Who finds no room waits, and holds nothing but a number while he does. What is small goes past what is large: a few large mails to slow receivers keep
 * nobody else. What takes more than half of all is not passed, so that its turn comes; what is larger than all goes alone.
 *
 * See also: service/deliver/sender.
 */

/** Gives the bytes back. Idempotent. */
export type ReleaseBytes = () => void

export type ByteSemaphore = {
  /** Null: there is no room now. */
  readonly tryAcquire: (bytes: number) => ReleaseBytes | null
  /** Waits for it. */
  readonly acquire: (bytes: number) => Promise<ReleaseBytes>
}

type Waiter = { readonly bytes: number; readonly resume: (release: ReleaseBytes) => void }

/** Makes a room of so many bytes. */
export function createByteSemaphore(capacityBytes: number): ByteSemaphore {
  const waiters: Waiter[] = []
  let usedBytes = 0
  const fits = (bytes: number): boolean => bytes === 0 || usedBytes === 0 || usedBytes + bytes <= capacityBytes
  const grant = (bytes: number): ReleaseBytes => {
    let isHeld = true
    usedBytes += bytes
    return () => {
      if (!isHeld) return
      isHeld = false
      usedBytes -= bytes
      resumeWaiters()
    }
  }
  const resumeWaiters = (): void => {
    for (let at = 0; at < waiters.length;) {
      const waiter = waiters[at]
      if (waiter === undefined) return
      if (fits(waiter.bytes)) {
        waiters.splice(at, 1)
        waiter.resume(grant(waiter.bytes))
      } else if (waiter.bytes > capacityBytes / 2) return
      else at += 1
    }
  }
  const tryAcquire = (bytes: number): ReleaseBytes | null =>
    fits(bytes) && (bytes === 0 || !waiters.some((waiter) => waiter.bytes > capacityBytes / 2)) ? grant(bytes) : null
  return {
    tryAcquire,
    acquire: (bytes) => {
      const release = tryAcquire(bytes)
      return release === null ? new Promise((resume) => waiters.push({ bytes, resume })) : Promise.resolve(release)
    },
  }
}
