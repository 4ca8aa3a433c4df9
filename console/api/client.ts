/**
 * client - requests to the daemon's `/v1`, and its problems in words
 *
 * The cookie of the session signs every request in. A request that changes something carries the session's token. A session that has ended
 * shows the sign-in, and what the reader typed stays.
 *
 * RFC 9457 (problem+json). See also: app/session, api/event-stream.
 */
import { signal } from '@preact/signals'

/** The token of the session; '' before the sign-in. */
export const csrfToken = signal('')
/** True once a request was refused because nobody is signed in. */
export const hasSessionEnded = signal(false)
/** Rises when a session that had ended begins again: what was refused in between is asked for again. */
export const renewals = signal(0)
/** False while the daemon does not answer. */
export const isReachable = signal(true)

type ApiQuery = Readonly<Record<string, string | number | boolean | null | undefined>>

/** What the daemon, or the network, answered instead. `status` is 0 if there was no answer. */
export class ApiProblem extends Error {
  readonly status: number
  readonly code: string
  /** The id under which the daemon's log has the details. */
  readonly instance: string | null
  /** What is wrong with which field. */
  readonly fields: readonly { readonly path: string; readonly message: string }[]

  constructor(
    message: string,
    {
      status = 0,
      code = 'unreachable',
      instance = null,
      fields = [],
    }: Partial<Pick<ApiProblem, 'status' | 'code' | 'instance' | 'fields'>> = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.instance = instance
    this.fields = fields
  }
}

type ApiRequest = {
  readonly query?: ApiQuery
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

/** A URL of `/v1` with a query; empty values are left out. */
export function apiUrl(path: string, query: ApiQuery = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== null && value !== undefined && value !== '') parameters.set(name, String(value))
  const text = parameters.toString()
  return `/v1${path}${text === '' ? '' : `?${text}`}`
}

/** Sends a request and resolves to the response. Throws ApiProblem. */
export async function fetchApi(method: Method, path: string, { query, body, headers = {}, signal }: ApiRequest = {}): Promise<Response> {
  const response = await fetch(apiUrl(path, query), {
    method,
    credentials: 'same-origin',
    headers: {
      accept: 'application/json, application/problem+json;q=0.9, */*;q=0.1',
      'x-csrf-token': csrfToken.value || 'none',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error
    isReachable.value = false
    throw new ApiProblem('unreachable')
  })
  isReachable.value = true
  if (response.ok) return response
  const problem = await readProblem(response)
  if (problem.status === 401 && csrfToken.value !== '') hasSessionEnded.value = true
  throw problem
}

async function readProblem(response: Response): Promise<ApiProblem> {
  const { status } = response
  try {
    const { code, detail, instance, errors } = await response.json()
    return new ApiProblem(String(detail), { status, code: String(code), instance: instance ?? null, fields: errors ?? [] })
  } catch {
    return new ApiProblem(response.statusText || String(status), { status, code: 'http' })
  }
}

const readJson = async (response: Response) => (response.status === 204 ? null : response.json())

/** The operations of `/v1`. The type is the caller's word for what the route's schema says; `/docs` shows it. */
export const api = {
  get: async <T>(path: string, request?: ApiRequest): Promise<T> => readJson(await fetchApi('GET', path, request)),
  post: async <T>(path: string, request?: ApiRequest): Promise<T> => readJson(await fetchApi('POST', path, { body: {}, ...request })),
  patch: async <T>(path: string, request?: ApiRequest): Promise<T> => readJson(await fetchApi('PATCH', path, request)),
  put: async <T>(path: string, request?: ApiRequest): Promise<T> => readJson(await fetchApi('PUT', path, request)),
  delete: async <T>(path: string, request?: ApiRequest): Promise<T> => readJson(await fetchApi('DELETE', path, request)),
}
