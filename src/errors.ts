/**
 * errors - the table of error codes, and Fault, the only error that the code throws deliberately
 *
 * A Fault carries a code for programs, a message for people, and detail for the log. Any other error is a bug.
 *
 * See also: http/server (answers with `http`), smtp-server/refusals, docs/API.md.
 */

type FaultRow = { readonly http: number; readonly retry: boolean }

/** `http` is the status of the response. `retry` tells SMTP and background jobs whether to try again. Released codes never change. */
export const FAULTS = {
  bad_request: { http: 400, retry: false },
  unauthenticated: { http: 401, retry: false },
  forbidden: { http: 403, retry: false },
  not_found: { http: 404, retry: false },
  method_not_allowed: { http: 405, retry: false },
  not_acceptable: { http: 406, retry: false },
  request_timeout: { http: 408, retry: true },
  conflict: { http: 409, retry: false },
  precondition_failed: { http: 412, retry: false },
  too_large: { http: 413, retry: false },
  rule_invalid: { http: 422, retry: false },
  config_invalid: { http: 500, retry: false },
  rate_limited: { http: 429, retry: true },
  quota_exceeded: { http: 429, retry: true },
  store_busy: { http: 503, retry: true },
  overloaded: { http: 503, retry: true },
  store_newer: { http: 503, retry: false },
  internal: { http: 500, retry: false },
} as const satisfies Record<string, FaultRow>

type FaultCode = keyof typeof FAULTS

/** `message` may be shown to the caller. `detail` goes to the log only. */
export class Fault extends Error {
  readonly code: FaultCode
  readonly detail: Readonly<Record<string, unknown>>

  constructor(code: FaultCode, message: string, options: { cause?: unknown; detail?: Readonly<Record<string, unknown>> } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'Fault'
    this.code = code
    this.detail = options.detail ?? {}
  }
}

/** Returns whether the same call may succeed later. False for any error that is not a Fault: it is a bug. */
export function isRetryable(error: unknown): boolean {
  return error instanceof Fault && FAULTS[error.code].retry
}
