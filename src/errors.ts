/**
 * errors - the table of error codes, and Fault, the only error that the code throws deliberately
 *
 * A Fault carries a code for programs, a message for people, and detail for the log. Any other error is a bug.
 *
 * See also: http/server (answers with `http`), smtp-server/refusals, docs/API.md.
 */

type FaultRow = { readonly http: number; readonly retry: boolean; readonly item: boolean }

/**
 * `http` is the status of the response. `retry` tells SMTP and background jobs whether to try again. `item`: the fault is about the content
 * of the work, not about what does the work, so a batch may set the item aside. Released codes never change.
 */
export const FAULTS = {
  bad_request: { http: 400, retry: false, item: true },
  header_invalid: { http: 400, retry: false, item: true },
  unauthenticated: { http: 401, retry: false, item: false },
  forbidden: { http: 403, retry: false, item: true },
  not_found: { http: 404, retry: false, item: true },
  method_not_allowed: { http: 405, retry: false, item: false },
  not_acceptable: { http: 406, retry: false, item: false },
  request_timeout: { http: 408, retry: true, item: false },
  conflict: { http: 409, retry: false, item: false },
  precondition_failed: { http: 412, retry: false, item: false },
  too_large: { http: 413, retry: false, item: true },
  wrong_host: { http: 421, retry: false, item: false },
  rule_invalid: { http: 422, retry: false, item: true },
  config_invalid: { http: 500, retry: false, item: false },
  rate_limited: { http: 429, retry: true, item: false },
  quota_exceeded: { http: 429, retry: true, item: false },
  store_busy: { http: 503, retry: true, item: false },
  overloaded: { http: 503, retry: true, item: false },
  insufficient_storage: { http: 507, retry: true, item: false },
  store_newer: { http: 503, retry: false, item: false },
  internal: { http: 500, retry: false, item: true },
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

/**
 * Returns whether an error is about the content of the work: an error of our own code, or a value that the store refuses as a value. Only
 * such an error may set a mail aside. Whatever else the store, the disk or the network reports is not the mail's fault. An error with a
 * `code` comes from the platform.
 */
export function isItemFault(error: unknown): boolean {
  if (error instanceof Fault) return FAULTS[error.code].item
  return !(error instanceof Error && 'code' in error)
}
