/**
 * message-builder - renders messages within the memory that a byte semaphore grants
 *
 * The size of a message is known only after it has been rendered. The first message of a submission, and every large one, is therefore rendered while no other
 * is. If its bytes are not free, it is discarded and rendered again when they are, so that at most one message is in memory beyond the bound. The copies that
 * follow wait before they are rendered. Between two exclusive renderings the event loop serves others, and accounts take turns.
 *
 * See also: service/deliver/byte-semaphore, service/deliver/sender, service/deliver/render.
 */
import { setImmediate } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../../net/cache-bound.ts'
import { createFairRunner } from '../../net/fair-runner.ts'
import type { ReleaseBytes, ByteSemaphore } from './byte-semaphore.ts'

/** A message as it is sent. `from` is the Return-Path of this copy. */
export type RenderedMessage = { readonly from: string; readonly to: string; readonly raw: Buffer }

/** Call `releaseBytes` when the attempt has ended. */
export type BuiltMessage = { readonly message: RenderedMessage; readonly releaseBytes: ReleaseBytes }

/** Renders a message of a submission. Faults: those of `render`. */
export type BuildMessage = (
  of: { readonly account: number; readonly bodyId: string },
  render: () => Promise<RenderedMessage>,
) => Promise<BuiltMessage>

/** Messages of this size are usually without attachments; any number of them may be rendered at once. */
const SMALL_MESSAGE_BYTES = 262_144
/** One number each. */
const MAX_KNOWN_SIZES = 10_000

/** Creates a builder. */
export function createMessageBuilder(semaphore: ByteSemaphore): BuildMessage {
  const sizes = new LRUCache<string, number>(upToEntries(MAX_KNOWN_SIZES))
  const exclusive = createFairRunner()
  const runExclusive = <T>(account: number, work: () => Promise<T>): Promise<T> =>
    exclusive.run(account, async () => {
      await setImmediate()
      return work()
    })
  return async ({ account, bodyId }, render) => {
    const key = `${account}/${bodyId}`
    for (;;) {
      const expectedBytes = sizes.get(key) ?? 0
      const releaseBytes = await semaphore.acquire(expectedBytes, account)
      const attempt = (): Promise<BuiltMessage | null> => tryBuild({ semaphore, sizes, key, expectedBytes, releaseBytes }, render)
      try {
        const built = expectedBytes > 0 && expectedBytes <= SMALL_MESSAGE_BYTES ? await attempt() : await runExclusive(account, attempt)
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

/** Null: the message is larger than expected, and the additional bytes are not free. */
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
