/**
 * wakeup - somebody waits, for a time or until he is woken
 *
 * A wake that comes while nobody waits is kept: the next wait ends at once. See also: service/deliver/deliverer.
 */
export type Signal = {
  readonly wake: () => void
  /** Resolves at the next wake, at the latest after so long. One waits at a time. */
  readonly wait: (millis: number) => Promise<void>
}

export function createSignal(): Signal {
  let isWoken = false
  let end: (() => void) | null = null
  return {
    wake: () => {
      isWoken = true
      end?.()
    },
    wait: async (millis) => {
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, millis)
          end = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      end = null
      isWoken = false
    },
  }
}
