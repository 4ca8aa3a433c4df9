/**
 * idna - converts internationalised domain names to A-labels, so that both spellings of a domain compare equal
 *
 *     toALabels('Müller.example') → 'xn--mller-kva.example'
 *
 * Uses lower case and NFKC instead of the full mapping of UTS 46. They differ in ß and final sigma, which mail servers do not write.
 *
 * Pure, total: a label that cannot be encoded is kept. RFC 3492, RFC 5890. See also: mail/mime/address.
 */

/** Longer labels are kept unchanged, because encoding takes quadratic time. */
const MAX_LABEL = 63
const MAX_INT = 0x7fffffff

/** Returns a domain in lower case with every label in ASCII. Total. */
export function toALabels(domain: string): string {
  const lower = domain.toLowerCase()
  if (!/[\u0080-\uffff]/.test(lower)) return lower
  // IDNA knows four full stops.
  const labels = lower
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u3002\uff0e\uff61]/g, '.')
    .split('.')
  return labels.map((label) => (/[\u0080-\uffff]/.test(label) && label.length <= MAX_LABEL ? `xn--${encodeLabel(label)}` : label)).join('.')
}

/** RFC 3492 §6.3 with the parameters of §5. */
function encodeLabel(label: string): string {
  const points = Array.from(label, (char) => char.codePointAt(0) ?? 0)
  const basic = points.filter((point) => point < 0x80)
  let out = String.fromCodePoint(...basic)
  if (basic.length > 0) out += '-'
  let n = 0x80
  let delta = 0
  let bias = 72
  let handled = basic.length
  while (handled < points.length) {
    const next = points.reduce((least, point) => (point >= n && point < least ? point : least), MAX_INT)
    delta += (next - n) * (handled + 1)
    n = next
    for (const point of points) {
      if (point < n) delta++
      if (point !== n) continue
      out += encodeVariableLength(delta, bias)
      bias = adaptBias(delta, handled + 1, handled === basic.length)
      delta = 0
      handled++
    }
    delta++
    n++
  }
  return out
}

function encodeVariableLength(delta: number, bias: number): string {
  let out = ''
  let rest = delta
  for (let k = 36; ; k += 36) {
    const threshold = Math.min(26, Math.max(1, k - bias))
    if (rest < threshold) return out + encodeDigit(rest)
    out += encodeDigit(threshold + ((rest - threshold) % (36 - threshold)))
    rest = Math.floor((rest - threshold) / (36 - threshold))
  }
}

function adaptBias(delta: number, points: number, isFirst: boolean): number {
  let rest = Math.floor(delta / (isFirst ? 700 : 2))
  rest += Math.floor(rest / points)
  let k = 0
  for (; rest > 455; k += 36) rest = Math.floor(rest / 35)
  return k + Math.floor((36 * rest) / (rest + 38))
}

function encodeDigit(value: number): string {
  return 'abcdefghijklmnopqrstuvwxyz0123456789'.charAt(value)
}
