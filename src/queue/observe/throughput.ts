/**
 * throughput - how much came in, was tried and went out, second by second and over a day
 *
 * Three series of one shape: seconds for averages, five seconds for an hour, minutes for a day. Only steps in which something happened
 * take room, so a lane that is quiet costs nothing. Mutable, plain JSON. See also: queue/observe/lane-view.
 */
export type Measured = 'in' | 'try' | 'out'

/** One step: its start, then in, try, out. */
export type Step = [at: number, ins: number, tries: number, outs: number]

export type Rates = { readonly seconds: Step[]; readonly fives: Step[]; readonly minutes: Step[] }

/** Widths, and how far back each series goes. Averages look back 30 seconds. */
const SERIES = {
  seconds: { widthMs: 1_000, spanMs: 31_000 },
  fives: { widthMs: 5_000, spanMs: 3_600_000 },
  minutes: { widthMs: 60_000, spanMs: 86_400_000 },
} as const satisfies Record<keyof Rates, { readonly widthMs: number; readonly spanMs: number }>

const PLACES = { in: 1, try: 2, out: 3 } as const satisfies Record<Measured, number>

/** Dropped in one go: dropping one by one would move the whole series each time. */
const SLACK = 64

export const emptyRates = (): Rates => ({ seconds: [], fives: [], minutes: [] })

/** One more of it. */
export function note(rates: Rates, what: Measured, now: number): void {
  noteIn(rates.seconds, SERIES.seconds, PLACES[what], now)
  noteIn(rates.fives, SERIES.fives, PLACES[what], now)
  noteIn(rates.minutes, SERIES.minutes, PLACES[what], now)
}

function noteIn(
  steps: Step[],
  { widthMs, spanMs }: { readonly widthMs: number; readonly spanMs: number },
  place: 1 | 2 | 3,
  now: number,
): void {
  const at = Math.floor(now / widthMs) * widthMs
  const last = steps[steps.length - 1]
  if (last !== undefined && last[0] === at) {
    last[place] += 1
    return
  }
  const step: Step = [at, 0, 0, 0]
  step[place] = 1
  steps.push(step)
  const old = steps[SLACK]
  if (old !== undefined && old[0] <= at - spanMs) steps.splice(0, SLACK)
}

/** A second, over the last 5, 15 or 30 whole seconds. */
export function average(rates: Rates, what: Measured, { seconds, now }: { readonly seconds: 5 | 15 | 30; readonly now: number }): number {
  const end = Math.floor(now / 1_000) * 1_000
  let total = 0
  for (let i = rates.seconds.length - 1; i >= 0; i--) {
    const step = rates.seconds[i]
    if (step === undefined || step[0] < end - seconds * 1_000) break
    if (step[0] < end) total += step[PLACES[what]]
  }
  return total / seconds
}

/** A series for a chart: steps of five seconds for an hour, or of a minute for a day; quiet steps are left out. */
export function seriesOf(rates: Rates, which: 'fives' | 'minutes', now: number): readonly Readonly<Step>[] {
  return rates[which].filter(([at]) => at > now - SERIES[which].spanMs)
}
