/**
 * wakeup - waits for a time or until another task wakes the waiter
 *
 * A wake while nobody waits is kept: the next wait ends at once.
 *
 * See also: service/deliver/deliverer.
 */
export type Wakeup = {
  readonly wake: () => void
  /** Resolves at the next wake, or after `millis` at the latest. Only one task may wait at a time. */
  readonly wait: (millis: number) => Promise<void>
}

export function createWakeup(): Wakeup {
  let isWoken = false
  let endWait: (() => void) | null = null
  return {
    wake: () => {
      isWoken = true
      endWait?.()
    },
    wait: async (millis) => {
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, millis)
          endWait = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      endWait = null
      isWoken = false
    },
  }
}
