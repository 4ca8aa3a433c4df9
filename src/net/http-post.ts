/**
 * http-post - sends one request to a server that a user named, with bounds on time and on the response
 *
 * Redirects are not followed: a 3xx is a response like any other. Only the status matters; of a body that breaks off, the part that arrived is kept. For every
 * connection the guard checks the addresses of the name again.
 *
 * Never rejects: a failure is a value. See also: net/ssrf-guard, service/notify/webhook-sender.
 */
import type * as undici from 'undici'
import type { SsrfGuard } from './ssrf-guard.ts'

type HttpRequest = {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** `status` 0: there was no response. `text` has the first bytes of the response, or the cause if there is none. */
export type HttpResponse = { readonly status: number; readonly text: string; readonly durationMs: number }

export type HttpClient = {
  readonly send: (httpRequest: HttpRequest) => Promise<HttpResponse>
  readonly close: () => Promise<void>
}

/** From the look-up to the first bytes of the body: the limit that the compatible API documents. */
const TIME_LIMIT_MS = 3_000

/** Enough for an error message. */
const MAX_RESPONSE_BYTES = 512

/** Of the response header. */
const MAX_HEADER_BYTES = 16_384

/** Creates a client. `connections` is the maximum for one endpoint, `responseBytes` how much of a body is read. */
export function createHttpClient(
  guard: SsrfGuard,
  options: { readonly connections: number; readonly limitMs?: number; readonly responseBytes?: number },
): HttpClient {
  const { limitMs = TIME_LIMIT_MS, responseBytes = MAX_RESPONSE_BYTES } = options
  let opened: Promise<Undici> | null = null
  const open = async (): Promise<Undici> => {
    // 1.2 MB of code: a daemon without webhooks does not load it.
    const { Agent, request } = await import('undici')
    const agent = new Agent({
      connections: options.connections,
      pipelining: 1,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: 4_000,
      keepAliveMaxTimeout: 30_000,
      connect: { lookup: guard.lookup, timeout: limitMs },
    })
    return { agent, request }
  }
  return {
    send: async (httpRequest) => {
      const client = await (opened ??= open())
      const startedAt = performance.now()
      const response = await sendRequest({ ...client, guard, responseBytes }, httpRequest, AbortSignal.timeout(limitMs))
      return { ...response, durationMs: Math.round(performance.now() - startedAt) }
    },
    close: async () => {
      await (await opened)?.agent.destroy()
    },
  }
}

type Undici = { readonly agent: undici.Agent; readonly request: typeof undici.request }
type Connection = Undici & { readonly guard: SsrfGuard; readonly responseBytes: number }

async function sendRequest(
  { agent, request, guard, responseBytes }: Connection,
  httpRequest: HttpRequest,
  signal: AbortSignal,
): Promise<Omit<HttpResponse, 'durationMs'>> {
  try {
    const { method, headers, body } = httpRequest
    // A URL with an address has no look-up, so the guard has to check the URL itself.
    const url = guard.parseUrl(httpRequest.url)
    const response = await request(url, { dispatcher: agent, method, headers: { ...headers }, body, signal })
    return { status: response.statusCode, text: await firstBytes(response.body, responseBytes) }
  } catch (error) {
    return { status: 0, text: signal.aborted ? 'no response in time' : errorText(error) }
  }
}

async function firstBytes(body: AsyncIterable<Buffer> & { readonly destroy: () => unknown }, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      size += chunk.length
      if (size >= maxBytes) break
    }
  } catch {
    // The status is known; the missing part of the body changes nothing.
  }
  body.destroy()
  return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8')
}

/** The part of an error that an account may read: its message or its code. */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return 'the request failed'
  const code: unknown = Reflect.get(error, 'code')
  return (error.message === '' && typeof code === 'string' ? code : error.message).slice(0, MAX_RESPONSE_BYTES)
}
