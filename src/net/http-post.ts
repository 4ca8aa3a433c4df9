/**
 * http-post - one request to a stranger's HTTP server, bounded in time and in what is kept of the answer
 *
 * Redirects are not followed: a 3xx is an answer like others. The status decides; a body that lies about its length or dies is
 * kept as far as it came. Each connection asks the guard again for the addresses of its name.
 *
 * Never throws: what went wrong is a value. See also: net/ssrf-guard.
 */
import { Agent, request } from 'undici'
import type { TargetGuard } from './ssrf-guard.ts'

export type Request = {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** `status` 0: no answer came; `text` says why, or holds the first bytes of the answer. */
export type Answer = { readonly status: number; readonly text: string; readonly millis: number }

export type Poster = {
  readonly send: (wanted: Request) => Promise<Answer>
  readonly close: () => Promise<void>
}

/** From the look-up to the answer's head: the vendor's limit. */
const LIMIT_MS = 3_000

/** Enough for a message, too little to be a download. */
const KEPT_BYTES = 512

/** Of headers: a receiver has no reason for more. */
const HEADER_BYTES = 16_384

/** Makes the client. One endpoint gets at most so many connections at once. */
export function createPoster(guard: TargetGuard, options: { readonly connections: number; readonly limitMs?: number }): Poster {
  const limitMs = options.limitMs ?? LIMIT_MS
  const agent = new Agent({
    connections: options.connections,
    pipelining: 1,
    maxHeaderSize: HEADER_BYTES,
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 30_000,
    connect: { lookup: guard.lookup, timeout: limitMs },
  })
  return {
    send: async (wanted) => {
      const began = performance.now()
      const told = await exchange(agent, guard, wanted, AbortSignal.timeout(limitMs))
      return { ...told, millis: Math.round(performance.now() - began) }
    },
    close: () => agent.destroy(),
  }
}

async function exchange(agent: Agent, guard: TargetGuard, wanted: Request, signal: AbortSignal): Promise<Omit<Answer, 'millis'>> {
  try {
    const { method, headers, body } = wanted
    // Sockets to addresses that stand in the URL itself ask nobody.
    const url = guard.read(wanted.url)
    const answer = await request(url, { dispatcher: agent, method, headers: { ...headers }, body, signal })
    return { status: answer.statusCode, text: await firstBytes(answer.body) }
  } catch (error) {
    return { status: 0, text: signal.aborted ? 'no answer in time' : wordsOf(error) }
  }
}

async function firstBytes(body: AsyncIterable<Buffer> & { readonly destroy: () => unknown }): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      size += chunk.length
      if (size >= KEPT_BYTES) break
    }
  } catch {
    // The status has come: what is missing of the body changes nothing.
  }
  body.destroy()
  return Buffer.concat(chunks).subarray(0, KEPT_BYTES).toString('utf8')
}

/** What of an error an account may read: its code or its words, never more. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the request failed'
  const code: unknown = Reflect.get(error, 'code')
  return (error.message === '' && typeof code === 'string' ? code : error.message).slice(0, KEPT_BYTES)
}
