/**
 * svg-plot - plots series over time as one inline SVG, without scripts and external resources
 *
 * Every text is escaped. Long series are reduced to the width of the plot, keeping the maximum of each interval. Colours are names of CSS
 * variables, so that the page can be light or dark. Pure. See also: simulator/report-html.
 */

/** One series. `values`: one per step. */
export type PlotLine = { readonly name: string; readonly colour: string; readonly values: readonly number[] }

export type Plot = {
  readonly title: string
  readonly unit: string
  readonly lines: readonly PlotLine[]
  readonly stepSeconds: number
  /** The scales. Plots side by side should share them. */
  readonly steps: number
  readonly highest: number
}

const WIDTH = 640
const HEIGHT = 240
const LEFT = 56
const RIGHT = 12
const TOP = 28
const BOTTOM = 34
const MAX_POINTS = 320

/** Escapes a text for an element or a quoted attribute of HTML or SVG. */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')
}

/** The plot as an `svg` element. Total. */
export function drawPlot(plot: Plot): string {
  const steps = Math.max(1, plot.steps)
  const top = roundUpScale(plot.highest)
  const x = (step: number): number => LEFT + (step / steps) * (WIDTH - LEFT - RIGHT)
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM)
  const rows = [0, 0.25, 0.5, 0.75, 1].map((share) => share * top)
  const hours = (steps * plot.stepSeconds) / 3_600
  const every = tickIntervalHours(hours)
  const ticks = Array.from({ length: Math.floor(hours / every) + 1 }, (_, n) => n * every)
  const stepOf = (hour: number): number => (hour * 3_600) / plot.stepSeconds
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(plot.title)}">`,
    `<text class="title" x="${LEFT}" y="16">${escapeText(plot.title)}</text>`,
    ...rows.map(
      (value) =>
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${formatCoordinate(y(value))}" y2="${formatCoordinate(y(value))}"/>`,
    ),
    ...rows.map(
      (value) => `<text class="tick" text-anchor="end" x="${LEFT - 6}" y="${formatCoordinate(y(value) + 4)}">${formatTick(value)}</text>`,
    ),
    ...ticks.map(
      (hour) => `<text class="tick" text-anchor="middle" x="${formatCoordinate(x(stepOf(hour)))}" y="${HEIGHT - 16}">${hour} h</text>`,
    ),
    `<text class="tick" text-anchor="end" x="${WIDTH - RIGHT}" y="16">${escapeText(plot.unit)}</text>`,
    ...plot.lines.map((line) => drawLine(line, { steps, x, y })),
    '</svg>',
  ].join('')
}

type Scale = { readonly steps: number; readonly x: (step: number) => number; readonly y: (value: number) => number }

function drawLine({ name, colour, values }: PlotLine, { steps, x, y }: Scale): string {
  const each = Math.max(1, Math.ceil(steps / MAX_POINTS))
  const points: string[] = []
  for (let from = 0; from < values.length; from += each) {
    const highest = Math.max(...values.slice(from, from + each))
    points.push(`${formatCoordinate(x(from))},${formatCoordinate(y(highest))}`)
  }
  return `<polyline points="${points.join(' ')}" stroke="var(${escapeText(colour)})"><title>${escapeText(name)}</title></polyline>`
}

const formatCoordinate = (value: number): string => value.toFixed(1)

/** The next round number whose quarters are easy to read. */
function roundUpScale(value: number): number {
  if (value <= 4) return 4
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 1.6, 2, 3, 4, 6, 8, 10].map((times) => times * power).find((each) => each >= value) ?? value
}

/** The distance between two ticks of the time axis, in hours. */
function tickIntervalHours(hours: number): number {
  return [1, 2, 4, 6, 12, 24, 48, 96].find((every) => hours / every <= 10) ?? Math.ceil(hours / 10)
}

function formatTick(value: number): string {
  if (value >= 1_000_000) return `${Number((value / 1_000_000).toFixed(2))} M`
  if (value >= 1_000) return `${Number((value / 1_000).toFixed(1))} k`
  return String(Number(value.toFixed(1)))
}
