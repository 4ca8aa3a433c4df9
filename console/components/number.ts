/**
 * number - numbers in the reader's language: shares and sizes
 */
import { language } from '../app/preferences.ts'

/** A part of a whole in percent, with as many digits as say something. A part of nothing has no share. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return '–'
  const share = part / whole
  const digits = share > 0 && share < 0.01 ? 2 : 1
  return share.toLocaleString(language.value, { style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits })
}

const SIZES = [
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3],
] as const

/** Bytes in the largest unit that fits. */
export function formatBytes(bytes: number): string {
  const [unit, size] = SIZES.find(([, each]) => bytes >= each) ?? ['B', 1]
  return `${(bytes / size).toLocaleString(language.value, { maximumFractionDigits: bytes / size < 10 ? 1 : 0 })} ${unit}`
}
