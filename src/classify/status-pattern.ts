/**
 * status-pattern - patterns of enhanced status codes in rule files
 *
 *     5.1.1   x.1.1   5.2.x   5.7.606-649
 *
 * Pure. RFC 3463 §2. See also: classify/rule-grammar.
 */

/** Whether a status such as "5.1.1" matches. Total: null matches nothing. */
export type StatusMatcher = (status: string | null) => boolean

const ENHANCED_STATUS = /^([245])\.(\d{1,3})\.(\d{1,3})$/

/** The class of a status: 2, 4 or 5. Null for anything that is not a status. */
export function statusClassOf(status: string | null): 2 | 4 | 5 | null {
  const first = ENHANCED_STATUS.exec(status ?? '')?.[1]
  return first === '5' ? 5 : first === '4' ? 4 : first === '2' ? 2 : null
}

/** Whether a status says no more than its class (x.0.0), or is absent. */
export function isGenericStatus(status: string | null): boolean {
  return status === null || /^[245]\.0\.0$/.test(status)
}

/** Compiles one pattern that the rule grammar has accepted. */
export function compileStatusPattern(pattern: string): StatusMatcher {
  const [first, second, third = 'x'] = pattern.split('.')
  const [low, high = low] = third.split('-').map(Number)
  return (status) => {
    const parts = ENHANCED_STATUS.exec(status ?? '')
    if (parts === null) return false
    const detail = Number(parts[3])
    return (
      (first === 'x' || first === parts[1]) &&
      (second === 'x' || Number(second) === Number(parts[2])) &&
      (third === 'x' || (detail >= (low ?? 0) && detail <= (high ?? 0)))
    )
  }
}
