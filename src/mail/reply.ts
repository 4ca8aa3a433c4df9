/**
 * reply - one SMTP reply as values
 *
 * A reply reaches us in three dresses: a live server's lines, the Diagnostic-Code of a DSN, and a sentence
 * inside a human-written bounce. All three become one Reply, so that the rules see one shape.
 *
 * Pure. RFC 5321 §4.2 (reply lines), RFC 3463 (status codes). See also: mail/dsn, classify/classify.
 */

/** What the sender left out is null; `text` is one line, trimmed, without the code and status that were read from its front. */
export type Reply = { readonly code: number | null; readonly status: string | null; readonly text: string }

/** The reply of a report that quotes none. */
export const NO_REPLY: Reply = { code: null, status: null, text: '' }
