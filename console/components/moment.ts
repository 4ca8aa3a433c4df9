/**
 * moment - a time of the API in the reader's zone, as text and as an element
 *
 *     html`<${Moment} at=${row.requestedAt} />`          29 Nov 2026, 08:41
 *     html`<${Moment} at=${row.since} relative=${true} />`  3 minutes ago
 *
 * The element's title is the time in UTC. Elements with `relative` move on by themselves.
 *
 * See also: app/preferences (the zone and the language).
 */
import { computed, signal } from '@preact/signals'
import { language, shownZone } from '../app/preferences.ts'
import { html, type View } from './html.ts'

/** Rises every second while anything reads it. */
const clock = signal(Date.now())
setInterval(() => {
  if (!document.hidden) clock.value = Date.now()
}, 1_000)

const STYLES = {
  moment: { dateStyle: 'medium', timeStyle: 'short' },
  second: { dateStyle: 'medium', timeStyle: 'medium' },
  day: { dateStyle: 'medium' },
  clock: { timeStyle: 'short' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>

export type MomentStyle = keyof typeof STYLES

const formats = computed(() => {
  const locale = language.value === 'zh' ? 'zh-CN' : 'en-GB'
  const options = { timeZone: shownZone(), hourCycle: 'h23' } as const
  return {
    relative: new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }),
    moment: new Intl.DateTimeFormat(locale, { ...options, ...STYLES.moment }),
    second: new Intl.DateTimeFormat(locale, { ...options, ...STYLES.second }),
    day: new Intl.DateTimeFormat(locale, { ...options, ...STYLES.day }),
    clock: new Intl.DateTimeFormat(locale, { ...options, ...STYLES.clock }),
  }
})

/** A time (ISO 8601 or epoch ms) in words. Total: what is no time stays as it is. */
export function formatMoment(at: string | number, style: MomentStyle = 'moment'): string {
  const time = typeof at === 'number' ? at : Date.parse(at)
  return Number.isFinite(time) ? formats.value[style].format(time) : String(at)
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const

/** The distance from now in its largest unit. */
export function formatDistance(at: string | number): string {
  const distance = (typeof at === 'number' ? at : Date.parse(at)) - clock.value
  const [unit, size] = UNITS.find(([, each]) => Math.abs(distance) >= each) ?? UNITS[3]
  return Number.isFinite(distance) ? formats.value.relative.format(Math.trunc(distance / size), unit) : String(at)
}

type MomentProps = {
  readonly at: string | null | undefined
  readonly style?: MomentStyle
  readonly relative?: boolean
  readonly fallback?: string
}

export function Moment({ at, style = 'moment', relative = false, fallback = '–' }: MomentProps): View {
  if (at === null || at === undefined) return html`<span class="muted">${fallback}</span>`
  const title = relative ? `${formatMoment(at, 'second')} · ${at}` : at
  return html`<time class="nowrap" datetime=${at} title=${title}>${relative ? formatDistance(at) : formatMoment(at, style)}</time>`
}
