/**
 * errors - the faults that bounced knows, as a table
 *
 * A Fault carries a code for machines, a message for people, and detail for the log. Nothing else is thrown on purpose.
 */

export type FaultRow = { readonly http: number; readonly retry: boolean }

/** `http` is what a request is answered with; `retry` is what SMTP and the loops do. Codes are never renamed or reused. */
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

export type FaultCode = keyof typeof FAULTS

/** The one error that is thrown on purpose. `detail` is for the log, never for strangers. */
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

/** Whether the same call may succeed later. What is no Fault is a bug, and a bug does not heal by itself. */
export function isRetryable(error: unknown): boolean {
  return error instanceof Fault && FAULTS[error.code].retry
}
