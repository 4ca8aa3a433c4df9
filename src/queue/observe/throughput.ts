/**
 * throughput - messages accepted, attempts and deliveries over time
 *
 * One list of steps: seconds for averages, which become steps of five seconds and, after an hour, minutes, until a day is over. Only steps in which
 * something happened are kept, so a quiet lane costs nothing. A list of plain numbers, because a queue has many lanes.
 *
 * Mutable, plain JSON. See also: queue/observe/lane-view, service/deliver/lane-snapshots.
 */
/** The members of a step, by what they count: messages accepted, attempts, deliveries. */
const STEP_INDEX = { in: 1, try: 2, out: 3 } as const

export type ThroughputKind = keyof typeof STEP_INDEX

/** One step: its start, then the counts. */
type ThroughputStep = [at: number, ins: number, tries: number, outs: number]

/** When old steps were merged, then the steps one after the other, oldest first: the start in seconds since 1970, and the counts. */
export type Throughput = number[]

const STEP_LENGTH = 4
/** The index of the first step. */
const FIRST_STEP = 1

/** The width of a step and the length of each series, in seconds. Averages look back 30 seconds. */
const SERIES = {
  seconds: { width: 1, span: 31 },
  fives: { width: 5, span: 3_600 },
  minutes: { width: 60, span: 86_400 },
} as const

type SeriesName = 'fives' | 'minutes'

/** Old steps are merged once a minute at most. */
const MERGE_INTERVAL_SECONDS = 60

/** Up to this length a list has no spare room: most lanes have a few steps. */
const MAX_EXACT_LENGTH = FIRST_STEP + 16 * STEP_LENGTH

export const emptyThroughput = (): Throughput => [0]

/** Counts one event. Returns what replaces the throughput: it is changed in place, or copied where it would get more room than it needs. */
export function recordThroughput(throughput: Throughput, kind: ThroughputKind, now: number): Throughput {
  const at = Math.floor(now / 1_000)
  const last = throughput.length - STEP_LENGTH
  const steps = last < FIRST_STEP || throughput[last] !== at ? withStep(throughput, at) : throughput
  const index = steps.length - STEP_LENGTH + STEP_INDEX[kind]
  steps[index] = (steps[index] ?? 0) + 1
  return steps
}

function withStep(throughput: Throughput, at: number): Throughput {
  const steps = at - (throughput[0] ?? 0) >= MERGE_INTERVAL_SECONDS ? mergedSteps(throughput, at) : throughput
  if (steps.length < MAX_EXACT_LENGTH) return steps.concat([at, 0, 0, 0])
  steps.push(at, 0, 0, 0)
  return steps
}

const startOf = (at: number, width: number): number => at - (at % width)

/** The start of the step that holds a second now: null if the longest series has passed it. */
function mergedStart(at: number, now: number): number | null {
  const minute = startOf(at, SERIES.minutes.width)
  if (minute <= now - SERIES.minutes.span) return null
  if (minute + SERIES.minutes.width <= now - SERIES.fives.span) return minute
  const five = startOf(at, SERIES.fives.width)
  return five + SERIES.fives.width <= now - SERIES.seconds.span ? five : at
}

function mergedSteps(steps: readonly number[], now: number): number[] {
  const merged = [now]
  for (const [at, ...counts] of stepsOf(steps)) {
    const start = mergedStart(at, now)
    if (start !== null) addCounts(merged, start, counts)
  }
  return merged.slice()
}

/** Adds counts to the last step, or as a step of their own if they are later. */
function addCounts(steps: number[], at: number, [ins, tries, outs]: readonly [number, number, number]): void {
  const last = steps.length - STEP_LENGTH
  if (last < FIRST_STEP || steps[last] !== at) {
    steps.push(at, ins, tries, outs)
    return
  }
  steps[last + STEP_INDEX.in] = (steps[last + STEP_INDEX.in] ?? 0) + ins
  steps[last + STEP_INDEX.try] = (steps[last + STEP_INDEX.try] ?? 0) + tries
  steps[last + STEP_INDEX.out] = (steps[last + STEP_INDEX.out] ?? 0) + outs
}

const stepAt = (steps: readonly number[], index: number): ThroughputStep => [
  steps[index] ?? 0,
  steps[index + STEP_INDEX.in] ?? 0,
  steps[index + STEP_INDEX.try] ?? 0,
  steps[index + STEP_INDEX.out] ?? 0,
]

/** The steps from an index on. */
function* stepsOf(steps: readonly number[], from = FIRST_STEP): Generator<ThroughputStep> {
  for (let index = from; index < steps.length; index += STEP_LENGTH) yield stepAt(steps, index)
}

/** When the last step begins; 0: there is none. */
const newestAt = (steps: Throughput): number => (steps.length > FIRST_STEP ? (steps[steps.length - STEP_LENGTH] ?? 0) : 0)

/** The average per second over the last 5, 15 or 30 whole seconds. */
export function averagePerSecond(
  steps: Throughput,
  kind: ThroughputKind,
  { seconds, now }: { readonly seconds: 5 | 15 | 30; readonly now: number },
): number {
  const end = Math.floor(now / 1_000)
  let total = 0
  for (let index = steps.length - STEP_LENGTH; index >= FIRST_STEP; index -= STEP_LENGTH) {
    const at = steps[index] ?? 0
    if (at < end - seconds) break
    if (at < end) total += steps[index + STEP_INDEX[kind]] ?? 0
  }
  return total / seconds
}

/** The steps of a series that begin at a moment or later, and are not older than the series is long. Quiet steps are left out. */
export function throughputSince(steps: Throughput, which: SeriesName, from: number): readonly Readonly<ThroughputStep>[] {
  const { width, span } = SERIES[which]
  const newest = newestAt(steps)
  const oldest = Math.max(from / 1_000, newest - span + 1)
  let first = steps.length
  while (first > FIRST_STEP && startOf(steps[first - STEP_LENGTH] ?? 0, width) >= oldest) first -= STEP_LENGTH
  const series = emptyThroughput()
  for (const [at, ...counts] of stepsOf(steps, first)) addCounts(series, startOf(at, width), counts)
  return [...stepsOf(series)].map(([at, ins, tries, outs]): ThroughputStep => [at * 1_000, ins, tries, outs])
}

/** The start of the last step of a series; 0: it has none. */
export const lastStepStart = (throughput: Throughput, which: SeriesName): number =>
  startOf(newestAt(throughput), SERIES[which].width) * 1_000
