/**
 * throughput - messages accepted, attempts and deliveries over time
 *
 * Three series: seconds for averages, steps of five seconds for an hour, and minutes for a day. Only steps in which something happened are
 * kept, so a quiet lane costs nothing. Mutable, plain JSON. See also: queue/observe/lane-view.
 */
/** The members of a step, by what they count: messages accepted, attempts, deliveries. */
const STEP_INDEX = { in: 1, try: 2, out: 3 } as const

export type ThroughputKind = keyof typeof STEP_INDEX

/** One step: its start, then the counts. */
export type ThroughputStep = [at: number, ins: number, tries: number, outs: number]

export type Throughput = { readonly seconds: ThroughputStep[]; readonly fives: ThroughputStep[]; readonly minutes: ThroughputStep[] }

/** The width of a step and the length of each series. Averages look back 30 seconds. */
const SERIES = {
  seconds: { widthMs: 1_000, spanMs: 31_000 },
  fives: { widthMs: 5_000, spanMs: 3_600_000 },
  minutes: { widthMs: 60_000, spanMs: 86_400_000 },
} as const satisfies Record<keyof Throughput, { readonly widthMs: number; readonly spanMs: number }>

/** Old steps are dropped in batches, because each removal moves the whole array. */
const DROP_BATCH = 64

export const emptyThroughput = (): Throughput => ({ seconds: [], fives: [], minutes: [] })

/** Counts one event. */
export function recordThroughput(throughput: Throughput, kind: ThroughputKind, now: number): void {
  recordInSeries(throughput.seconds, SERIES.seconds, STEP_INDEX[kind], now)
  recordInSeries(throughput.fives, SERIES.fives, STEP_INDEX[kind], now)
  recordInSeries(throughput.minutes, SERIES.minutes, STEP_INDEX[kind], now)
}

function recordInSeries(
  steps: ThroughputStep[],
  { widthMs, spanMs }: { readonly widthMs: number; readonly spanMs: number },
  index: 1 | 2 | 3,
  now: number,
): void {
  const at = Math.floor(now / widthMs) * widthMs
  const last = steps[steps.length - 1]
  if (last !== undefined && last[0] === at) {
    last[index] += 1
    return
  }
  const step: ThroughputStep = [at, 0, 0, 0]
  step[index] = 1
  steps.push(step)
  const old = steps[DROP_BATCH]
  if (old !== undefined && old[0] <= at - spanMs) steps.splice(0, DROP_BATCH)
}

/** The average per second over the last 5, 15 or 30 whole seconds. */
export function averagePerSecond(
  throughput: Throughput,
  kind: ThroughputKind,
  { seconds, now }: { readonly seconds: 5 | 15 | 30; readonly now: number },
): number {
  const end = Math.floor(now / 1_000) * 1_000
  let total = 0
  for (let i = throughput.seconds.length - 1; i >= 0; i--) {
    const step = throughput.seconds[i]
    if (step === undefined || step[0] < end - seconds * 1_000) break
    if (step[0] < end) total += step[STEP_INDEX[kind]]
  }
  return total / seconds
}

/** A series for a chart: steps of five seconds for an hour, or minutes for a day. Quiet steps are left out. */
export function throughputSeries(throughput: Throughput, which: 'fives' | 'minutes', now: number): readonly Readonly<ThroughputStep>[] {
  return throughput[which].filter(([at]) => at > now - SERIES[which].spanMs)
}
