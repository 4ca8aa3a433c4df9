/**
 * http-post - one request to a stranger's HTTP server, bounded in time and in what is kept of the answer
 *
 * Redirects are not followed: a 3xx is an answer like others. The status decides; a body that lies about its length or dies is
 * kept as far as it came. Each connection asks the guard again for the addresses of its name.
 *
 * Never throws: what went wrong is a value. See also: net/ssrf-guard.
 */
import { Agent, request } from 'undici'
import type { SsrfGuard } from './ssrf-guard.ts'

type HttpRequest = {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** `status` 0: no answer came; `text` says why, or holds the first bytes of the answer. */
export type HttpResponse = { readonly status: number; readonly text: string; readonly durationMs: number }

export type HttpClient = {
  readonly send: (httpRequest: HttpRequest) => Promise<HttpResponse>
  readonly close: () => Promise<void>
}

/** From the look-up to the answer's head: the vendor's limit. */
const TIME_LIMIT_MS = 3_000

/** Enough for a message, too little to be a download. */
const MAX_RESPONSE_BYTES = 512

/** Of headers: a receiver has no reason for more. */
const MAX_HEADER_BYTES = 16_384

/** Makes the client. One endpoint gets at most so many connections at once. */
export function createHttpClient(guard: SsrfGuard, options: { readonly connections: number; readonly limitMs?: number }): HttpClient {
  const limitMs = options.limitMs ?? TIME_LIMIT_MS
  const agent = new Agent({
    connections: options.connections,
    pipelining: 1,
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 30_000,
    connect: { lookup: guard.lookup, timeout: limitMs },
  })
  return {
    send: async (httpRequest) => {
      const startedAt = performance.now()
      const response = await sendRequest(agent, guard, httpRequest, AbortSignal.timeout(limitMs))
      return { ...response, durationMs: Math.round(performance.now() - startedAt) }
    },
    close: () => agent.destroy(),
  }
}

async function sendRequest(
  agent: Agent,
  guard: SsrfGuard,
  httpRequest: HttpRequest,
  signal: AbortSignal,
): Promise<Omit<HttpResponse, 'durationMs'>> {
  try {
    const { method, headers, body } = httpRequest
    // Sockets to addresses that stand in the URL itself ask nobody.
    const url = guard.parseUrl(httpRequest.url)
    const response = await request(url, { dispatcher: agent, method, headers: { ...headers }, body, signal })
    return { status: response.statusCode, text: await firstBytes(response.body) }
  } catch (error) {
    return { status: 0, text: signal.aborted ? 'no answer in time' : errorText(error) }
  }
}

async function firstBytes(body: AsyncIterable<Buffer> & { readonly destroy: () => unknown }): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      size += chunk.length
      if (size >= MAX_RESPONSE_BYTES) break
    }
  } catch {
    // The status has come: what is missing of the body changes nothing.
  }
  body.destroy()
  return Buffer.concat(chunks).subarray(0, MAX_RESPONSE_BYTES).toString('utf8')
}

/** What of an error an account may read: its code or its words, never more. */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return 'the request failed'
  const code: unknown = Reflect.get(error, 'code')
  return (error.message === '' && typeof code === 'string' ? code : error.message).slice(0, MAX_RESPONSE_BYTES)
}
