/**
 * byte-semaphore - a weighted semaphore that bounds the bytes of built messages in memory
 *
 * A caller that does not fit waits. Small requests overtake large ones, so that a few large messages to slow servers delay no other message. A request for
 * more than half of the capacity is not overtaken, so that it is served in the end; one for more than the whole capacity is granted alone.
 *
 * See also: service/deliver/message-builder.
 */

/** Releases the bytes. Idempotent. */
export type ReleaseBytes = () => void

export type ByteSemaphore = {
  /** Null: the bytes are not free now. */
  readonly tryAcquire: (bytes: number) => ReleaseBytes | null
  /** Waits until the bytes are free. */
  readonly acquire: (bytes: number) => Promise<ReleaseBytes>
}

type Waiter = { readonly bytes: number; readonly resume: (release: ReleaseBytes) => void }

/** Creates a semaphore. */
export function createByteSemaphore(capacityBytes: number): ByteSemaphore {
  const waiters: Waiter[] = []
  const isLarge = (bytes: number): boolean => bytes > capacityBytes / 2
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
      } else if (isLarge(waiter.bytes)) return
      else at += 1
    }
  }
  const tryAcquire = (bytes: number): ReleaseBytes | null =>
    fits(bytes) && (bytes === 0 || !waiters.some((waiter) => isLarge(waiter.bytes))) ? grant(bytes) : null
  return {
    tryAcquire,
    acquire: (bytes) => {
      const release = tryAcquire(bytes)
      return release === null ? new Promise((resume) => waiters.push({ bytes, resume })) : Promise.resolve(release)
    },
  }
}
