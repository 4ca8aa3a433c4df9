/**
 * once-per-data - computes a value once for all recipients of one DATA command
 *
 * A mail to a hundred recipients becomes a hundred IncomingMails that share one `raw`. What depends on the bytes alone (the parsed report,
 * the checked signatures) is computed for the first and used again for the others. A value lives as long as the bytes.
 *
 * See also: service/receive/prepare, service/receive/receive, service/forward/forward-mail.
 */

/** Returns `compute` with a memory: called with the same `raw` (the same object), it returns the first result. */
export function oncePerData<Mail extends { readonly raw: Uint8Array }, Rest extends readonly unknown[], Value>(
  compute: (mail: Mail, ...rest: Rest) => Value,
): (mail: Mail, ...rest: Rest) => Value {
  const results = new WeakMap<Uint8Array, { readonly value: Value }>()
  return (mail, ...rest) => {
    const known = results.get(mail.raw)
    if (known !== undefined) return known.value
    const value = compute(mail, ...rest)
    results.set(mail.raw, { value })
    return value
  }
}
