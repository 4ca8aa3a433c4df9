/**
 * growth-plot - the costs of bench/growth as an SVG: each relative to its value in the smallest store
 *
 * Both axes are logarithmic, so that a cost that doubles with each tenfold store is a straight line, and one that does not depend on it is level.
 * The band is what counts as flat. Pure.
 */

type PlottedCost = { readonly name: string; readonly values: readonly number[] }
type Panel = { readonly title: string; readonly costs: readonly PlottedCost[] }

const WIDTH = 980
const LEFT = 56
/** Of the legend. */
const RIGHT = 470
const PANEL_HEIGHT = 250
const PLOT = { top: 34, bottom: 206 } as const
const LINE_HEIGHT = 17
const MARKS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const
/** A cost is flat if it is at most this times that of the smallest store (bench/growth). */
const FLAT = 2

/** Distinct also for people who do not tell red from green (after Okabe and Ito), on white as on black. */
const COLOURS = ['#0080d0', '#d55e00', '#009e73', '#cc79a7', '#c08a00', '#56b4e9', '#7f7f7f'] as const
/** The second time round, lines are dashed. */
const DASHES = ['', ' stroke-dasharray="6 4"'] as const

const STYLE = `<style>
svg { background: #fff } text { fill: #222; font: 12px sans-serif } .title { font-weight: bold }
.grid { stroke: #ddd } .band { fill: #0a0; fill-opacity: .08 }
@media (prefers-color-scheme: dark) { svg { background: #111 } text { fill: #ddd } .grid { stroke: #333 } .band { fill: #4f4; fill-opacity: .1 } }
</style>`

/** Draws one panel below the other, with one line for each cost. */
export function plotGrowth(sizes: readonly number[], panels: readonly Panel[]): string {
  const height = panels.length * PANEL_HEIGHT
  const drawn = panels.map((panel, n) => `<g transform="translate(0 ${n * PANEL_HEIGHT})">\n${drawPanel(sizes, panel)}\n</g>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<title>Each cost by the number of deliveries in the store, relative to the smallest store</title>
${STYLE}
${drawn.join('\n')}
</svg>
`
}

function drawPanel(sizes: readonly number[], { title, costs }: Panel): string {
  const lines = costs.map(({ values }) => values.map((value) => value / (values[0] ?? NaN)))
  const { marks, y } = scaleOf(lines.flat().filter(Number.isFinite))
  const right = WIDTH - RIGHT
  const x = (n: number): number => LEFT + (n * (right - LEFT)) / Math.max(1, sizes.length - 1)
  const grid = marks.map(
    (mark) => `<line class="grid" x1="${LEFT}" x2="${right}" y1="${y(mark)}" y2="${y(mark)}"/>
<text x="${LEFT - 8}" y="${y(mark) + 4}" text-anchor="end">${mark < 1 ? `1/${1 / mark}` : mark} ×</text>`,
  )
  const axis = sizes.map(
    (size, n) => `<text x="${x(n)}" y="${PLOT.bottom + 18}" text-anchor="middle">${size.toLocaleString('en-US')}</text>`,
  )
  const pointsOf = (ratios: readonly number[]): string =>
    ratios.flatMap((ratio, at) => (Number.isFinite(ratio) ? `${x(at).toFixed(1)},${y(ratio)}` : [])).join(' ')
  const curves = lines.map((ratios, n) => drawLine(pointsOf(ratios), n))
  const legend = costs.map(({ name }, n) => drawLegend(name, n))
  return `<text class="title" x="${LEFT}" y="20">${title}, relative to the smallest store</text>
<rect class="band" x="${LEFT}" width="${right - LEFT}" y="${y(FLAT)}" height="${y(1 / FLAT) - y(FLAT)}"/>
${[...grid, ...axis, ...curves, ...legend].join('\n')}
<text x="${(LEFT + right) / 2}" y="${PLOT.bottom + 36}" text-anchor="middle">deliveries in the store</text>`
}

type Scale = { readonly marks: readonly number[]; readonly y: (ratio: number) => number }

/** Powers of two that include all ratios and the band. */
function scaleOf(ratios: readonly number[]): Scale {
  const [lowest, highest] = [Math.min(1 / FLAT, ...ratios), Math.max(FLAT, ...ratios)]
  const below = MARKS.findLastIndex((mark) => mark <= lowest)
  const above = MARKS.findIndex((mark) => mark >= highest)
  const marks = MARKS.slice(Math.max(0, below), above < 0 ? MARKS.length : above + 1)
  const [from, to] = [Math.log2(marks[0] ?? 1 / FLAT), Math.log2(marks.at(-1) ?? FLAT)]
  const y = (ratio: number): number => Math.round(PLOT.top + ((to - Math.log2(ratio)) / (to - from)) * (PLOT.bottom - PLOT.top))
  return { marks, y }
}

/** The stroke of the nth line. */
const strokeOf = (n: number): string =>
  `stroke="${COLOURS[n % COLOURS.length] ?? ''}"${DASHES[Math.floor(n / COLOURS.length) % DASHES.length] ?? ''} stroke-width="2"`

const drawLine = (points: string, n: number): string => `<polyline points="${points}" fill="none" ${strokeOf(n)}/>`

function drawLegend(name: string, n: number): string {
  const [x, y] = [WIDTH - RIGHT + 40, PLOT.top + 8 + n * LINE_HEIGHT]
  return `<line x1="${x}" x2="${x + 24}" y1="${y - 4}" y2="${y - 4}" ${strokeOf(n)}/>\n<text x="${x + 32}" y="${y}">${name}</text>`
}
