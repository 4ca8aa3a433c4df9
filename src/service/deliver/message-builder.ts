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
import type { ReleaseBytes, ByteSemaphore } from './byte-semaphore.ts'

/** A mail as it goes out: the Return-Path, the recipient, and its bytes. */
export type RenderedMessage = { readonly from: string; readonly to: string; readonly raw: Buffer }

/** `release` gives the room back, when the mail has gone. */
export type BuiltMessage = { readonly message: RenderedMessage; readonly releaseBytes: ReleaseBytes }

/** Makes a mail of a body, which is known by its key. Faults: those of `render`. */
export type BuildMessage = (key: string, render: () => Promise<RenderedMessage>) => Promise<BuiltMessage>

/** A lawful mail without attachments: of such, all lines may be making one at once. */
const SMALL_MESSAGE_BYTES = 262_144
/** A number each. */
const MAX_KNOWN_SIZES = 10_000

/** Makes the workshop. */
export function createMessageBuilder(semaphore: ByteSemaphore): BuildMessage {
  const sizes = new LRUCache<string, number>({ max: MAX_KNOWN_SIZES })
  let lastExclusive: Promise<unknown> = Promise.resolve()
  const runExclusive = <T>(work: () => Promise<T>): Promise<T> => {
    const exclusive = lastExclusive.then(() => setImmediate()).then(work)
    lastExclusive = exclusive.catch(() => undefined)
    return exclusive
  }
  return async (key, render) => {
    for (;;) {
      const expectedBytes = sizes.get(key) ?? 0
      const releaseBytes = await semaphore.acquire(expectedBytes)
      const attempt = (): Promise<BuiltMessage | null> => tryBuild({ semaphore, sizes, key, expectedBytes, releaseBytes }, render)
      try {
        const built = expectedBytes > 0 && expectedBytes <= SMALL_MESSAGE_BYTES ? await attempt() : await runExclusive(attempt)
        if (built !== null) return built
      } catch (error) {
        releaseBytes()
        throw error
      }
    }
  }
}

type BuildAttempt = {
  readonly semaphore: ByteSemaphore
  readonly sizes: LRUCache<string, number>
  readonly key: string
  readonly expectedBytes: number
  readonly releaseBytes: ReleaseBytes
}

/** Null: it is larger than what was known, and there is no room for it. */
async function tryBuild(
  { semaphore, sizes, key, expectedBytes, releaseBytes }: BuildAttempt,
  render: () => Promise<RenderedMessage>,
): Promise<BuiltMessage | null> {
  const rendered = await render()
  const size = rendered.raw.length
  if (size <= expectedBytes) return { message: rendered, releaseBytes }
  sizes.set(key, size)
  releaseBytes()
  const releaseGrown = semaphore.tryAcquire(size)
  return releaseGrown === null ? null : { message: rendered, releaseBytes: releaseGrown }
}
