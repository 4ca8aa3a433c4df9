/**
 * byte-semaphore - a weighted semaphore that bounds the bytes of built messages in memory
 *
 * A caller that does not fit waits. Small requests overtake large ones, so that a few large messages to slow servers delay no other message. A request for
 * more than half of the capacity is not overtaken, so that it is served in the end; one for more than the whole capacity is granted alone. Accounts that
 * wait are served by rounds: a request of an account comes one round after its previous one, and not before the round that is being served.
 *
 * See also: service/deliver/message-builder.
 */

/** Releases the bytes. Idempotent. */
export type ReleaseBytes = () => void

export type ByteSemaphore = {
  /** Null: the bytes are not free now. */
  readonly tryAcquire: (bytes: number) => ReleaseBytes | null
  /** Waits until the bytes are free. */
  readonly acquire: (bytes: number, account: number) => Promise<ReleaseBytes>
}

type Waiter = { readonly bytes: number; readonly account: number; readonly round: number; readonly resume: (release: ReleaseBytes) => void }

/** Creates a semaphore. */
export function createByteSemaphore(capacityBytes: number): ByteSemaphore {
  const waiters: Waiter[] = []
  const isLarge = (bytes: number): boolean => bytes > capacityBytes / 2
  let usedBytes = 0
  let servedRound = 0
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
        servedRound = Math.max(servedRound, waiter.round)
        waiter.resume(grant(waiter.bytes))
      } else if (isLarge(waiter.bytes)) return
      else at += 1
    }
  }
  const tryAcquire = (bytes: number): ReleaseBytes | null =>
    fits(bytes) && (bytes === 0 || !waiters.some((waiter) => isLarge(waiter.bytes))) ? grant(bytes) : null
  return {
    tryAcquire,
    acquire: (bytes, account) => {
      const release = tryAcquire(bytes)
      return release === null
        ? new Promise((resume) => addWaiter(waiters, { bytes, account, resume }, servedRound))
        : Promise.resolve(release)
    },
  }
}

/** Inserts a waiter behind those of its round and of earlier ones. */
function addWaiter(waiters: Waiter[], waiter: Omit<Waiter, 'round'>, servedRound: number): void {
  const last = waiters.findLast(({ account }) => account === waiter.account)
  const round = Math.max(servedRound, (last?.round ?? -1) + 1)
  const before = waiters.findIndex((other) => other.round > round)
  waiters.splice(before < 0 ? waiters.length : before, 0, { ...waiter, round })
}
