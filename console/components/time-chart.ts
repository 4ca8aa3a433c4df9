/**
 * time-chart - values over time as bars or lines, with a legend and the same figures as a table
 *
 *     html`<${TimeChart} title=${t('sent')} times=${times} series=${[{ name: 'good', label: 'delivered', values }]} kind="bars" />`
 *
 * Bars of several series stand on each other. The chart keeps its size while it is drawn again, follows the width of its box, and draws itself anew
 * in another theme, zone or language. uPlot is loaded with the first chart.
 *
 * See also: components/moment (the zone).
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import type UPlot from 'uplot'
import type { AlignedData, Options } from 'uplot'
import { language, shownZone, theme } from '../app/preferences.ts'
import { common } from '../texts/common-texts.ts'
import { html, type Child, type View } from './html.ts'
import { formatMoment, type MomentStyle } from './moment.ts'
import { zoneFields } from './zone-fields.ts'

/** The colours of styles/5-charts.css. */
type SeriesColour = 'accent' | 'good' | 'warn' | 'bad' | 'violet' | 'muted'

type Series = {
  readonly colour: SeriesColour
  readonly label: string
  /** One for each time; null leaves a gap. */
  readonly values: readonly (number | null)[]
}

type TimeChartProps = {
  readonly title: string
  /** Epoch ms, rising. */
  readonly times: readonly number[]
  readonly series: readonly Series[]
  readonly kind?: 'bars' | 'lines'
  readonly height?: number
  /** How a value is written. */
  readonly format?: (value: number) => string
  /** How the time of a point is written. */
  readonly timeStyle?: MomentStyle
  /** Beside the title. */
  readonly children?: Child
}

const asNumber = (value: number): string => value.toLocaleString(language.value)

export function TimeChart(props: TimeChartProps): View {
  const { title, times, series, format = asNumber, timeStyle = 'moment', children = null } = props
  const totals = series.map(({ values }) => values.reduce<number>((sum, value) => sum + (value ?? 0), 0))
  return html`<figure class="card chart">
    <header>
      <figcaption><h2>${title}</h2></figcaption>
      ${children}
    </header>
    <ul class="legend">
      ${series.map(({ colour, label }, at) => html`<li key=${label} class=${colour}>${label}${props.kind === 'lines' ? null : html` <span class="muted">${format(totals[at] ?? 0)}</span>`}</li>`)}
    </ul>
    <${Plot} ...${props} />
    <details class="small">
      <summary class="muted">${common('showTable')}</summary>
      <div class="chart-table" tabindex="0" role="group" aria-label=${title}>
        <table>
          <thead>
            <tr>
              <th scope="col">${common('time')}</th>
              ${series.map(({ label }) => html`<th scope="col" class="end">${label}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${times.map(
              (time, at) =>
                html`<tr key=${time}>
                  <th scope="row">${formatMoment(time, timeStyle)}</th>
                  ${series.map(({ values }) => html`<td class="end">${values[at] === null || values[at] === undefined ? '–' : format(values[at])}</td>`)}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>
  </figure>`
}

/** Loaded with the first chart. */
let library: Promise<typeof UPlot> | null = null

function Plot({ title, times, series, kind = 'bars', height = 200, format = asNumber, timeStyle = 'moment' }: TimeChartProps): View {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | null>(null)
  const [Chart, setChart] = useState<{ readonly make: typeof UPlot } | null>(null)
  const [hovered, setHovered] = useState<number | null>(null)
  useEffect(() => {
    library ??= import('uplot').then((module) => module.default)
    void library.then((make) => setChart({ make }))
  }, [])
  const data = toData(times, series, kind)
  const look = JSON.stringify([theme.value, language.value, shownZone(), kind, height, series.map(({ colour, label }) => [colour, label])])
  useEffect(() => {
    const { current } = box
    if (Chart === null || current === null) return
    const options = {
      ...plotOptions(current, Chart.make, { series, kind, height, format }),
      hooks: { setCursor: [(self: UPlot) => setHovered(self.cursor.idx ?? null)] },
    }
    const made = new Chart.make(options, data, current)
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: current.clientWidth, height }))
    observer.observe(current)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [Chart, look])
  useEffect(() => plot.current?.setData(data), [JSON.stringify(data)])
  return html`<div class="plot">
    <div ref=${box} style=${{ height: `${height}px` }} role="img" aria-label=${title}></div>
    <div class="plot-hover small muted">${hovered === null ? null : hoverText({ times, series, format, timeStyle }, hovered)}</div>
  </div>`
}

type Hovered = Required<Pick<TimeChartProps, 'times' | 'series' | 'format' | 'timeStyle'>>

function hoverText({ times, series, format, timeStyle }: Hovered, at: number): string {
  const texts = series.map(({ label, values }) => `${label} ${format(values[at] ?? 0)}`)
  return [formatMoment(times[at] ?? 0, timeStyle), ...texts].join(' · ')
}

/** Bars are drawn from the highest sum down, so that each hides the lower part of the one before. */
function toData(times: readonly number[], series: readonly Series[], kind: 'bars' | 'lines'): AlignedData {
  const rows = series.map(({ values }) => times.map((_, at) => values[at] ?? null))
  const seconds = times.map((time) => time / 1_000)
  if (kind === 'lines') return [seconds, ...rows]
  const sums = rows.map((_, upTo) => times.map((_time, at) => rows.slice(0, upTo + 1).reduce((sum, row) => sum + (row[at] ?? 0), 0)))
  return [seconds, ...sums.toReversed()]
}

/** Values are counts: their axis has whole steps. */
const STEPS = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat()

type PlotLook = Required<Pick<TimeChartProps, 'series' | 'kind' | 'height' | 'format'>>

/** A colour of the tokens as it is in force: a canvas knows no `light-dark()`. */
function resolveColour(box: HTMLElement, name: string): string {
  const probe = document.createElement('i')
  probe.style.color = `var(--${name})`
  box.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

function plotOptions(box: HTMLElement, Chart: typeof UPlot, { series, kind, height, format }: PlotLook): Options {
  const style = getComputedStyle(box)
  const colourOf = (name: string): string => resolveColour(box, name)
  const axis = {
    stroke: colourOf('muted'),
    grid: { stroke: colourOf('border'), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  }
  const paths = Chart.paths.bars?.({ size: [0.72, 48], radius: 0.12 })
  const lines = series.map(({ colour, label }) => ({
    label,
    stroke: colourOf(colour),
    width: kind === 'lines' ? 2 : 0,
    points: { show: false },
    ...(kind === 'bars' ? { fill: colourOf(colour), ...(paths === undefined ? {} : { paths }) } : {}),
  }))
  return {
    width: box.clientWidth,
    height,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: kind === 'lines' } },
    scales: {
      x: kind === 'bars' ? { time: true, range: withRoomForBars } : { time: true },
      y: { range: (_self, _low, high) => [0, Math.max(high * 1.08, 1)] },
    },
    tzDate: (seconds) => zonedDate(seconds * 1_000),
    axes: [
      { ...axis, grid: { show: false }, values: (_self, splits) => tickTexts(splits), space: 64 },
      { ...axis, incrs: STEPS, values: (_self, splits) => splits.map(format), size: 52 },
    ],
    series: [{}, ...(kind === 'bars' ? lines.toReversed() : lines)],
  }
}

/** Half a step before the first bar and after the last one. */
function withRoomForBars(self: UPlot, low: number, high: number): [number, number] {
  const steps = (self.data[0]?.length ?? 1) - 1
  const half = steps > 0 ? (high - low) / steps / 2 : 1_800
  return [low - half, high + half]
}

/** A Date whose local fields are those of the shown zone, which is how uPlot finds its ticks. */
const zonedDate = (at: number): Date => new Date(...zoneFields(at))

/** The clock, and the day where it changes. */
function tickTexts(splits: readonly number[]): string[] {
  let lastDay = ''
  return splits.map((seconds) => {
    const day = formatMoment(seconds * 1_000, 'day').replace(/,? ?\d{4}年?/, '')
    const time = formatMoment(seconds * 1_000, 'clock')
    const text = day === lastDay ? time : time === '00:00' ? day : `${time}\n${day}`
    lastDay = day
    return text
  })
}
