/**
 * report-html - renders the report of one run, or of several side by side, as one HTML page
 *
 * The page is self-contained: styles and plots inside, no script, no external resource; its Content-Security-Policy forbids them. All text
 * from scenarios and key names is escaped. Pure. See also: simulator/report, simulator/svg-plot.
 */
import { formatDuration } from './format-duration.ts'
import { drawPlot, escapeText, type PlotLine, type Plot } from './svg-plot.ts'
import type { ProviderReport, SimulationReport } from './report.ts'

const STYLE = `
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #1d2329; --soft: #5d6873; --line: #d9dee2; --bad: #a32a22;
  --c0: #1f6fb4; --c1: #c4501b; --c2: #6b3fa0; --c3: #1d8a5f; --c4: #b0892a; --c5: #b03a78; --c6: #4d8796; --c7: #6f7780; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181c; --ink: #e6eaed; --soft: #98a4ae; --line: #2f373e; --bad: #ff8a7a;
  --c0: #6cb2ee; --c1: #f59a66; --c2: #b595ea; --c3: #62c99c; --c4: #dcbb62; --c5: #ec8abb; --c6: #85c0cf; --c7: #a9b1b8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1360px; padding: 32px 24px 64px; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 32px 0 8px; } p { margin: 0 0 12px; max-width: 80ch; color: var(--soft); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 24px 32px; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
caption { text-align: left; color: var(--soft); padding: 0 0 4px; } .pair table { font-size: 13px; } .pair th, .pair td { padding: 4px 5px; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th { color: var(--soft); font-weight: 500; }
.wasted { color: var(--bad); } .legend span { display: inline-block; margin-right: 16px; }
.legend i { display: inline-block; width: 14px; height: 3px; margin-right: 6px; vertical-align: middle; }
svg { width: 100%; height: auto; display: block; margin-bottom: 8px; } polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.grid { stroke: var(--line); } .tick { fill: var(--soft); font-size: 11px; } .title { fill: var(--ink); font-size: 13px; font-weight: 600; }
.foot { margin-top: 28px; } code { font: 13px ui-monospace, monospace; }`

/** The page. All reports are of one scenario; several are shown side by side with the same scales. */
export function renderReport(reports: readonly SimulationReport[]): string {
  const [first] = reports
  const title = first?.title ?? 'Simulation'
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeText(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escapeText(title)}</h1><p>${escapeText(first?.about ?? '')}</p>`,
    `<h2>Outcome</h2>${renderTotals(reports)}`,
    '<h2>Over time</h2>',
    renderLegend(reports),
    `<div class="pair">${reports.map((report) => renderPlots(report, reports)).join('')}</div>`,
    '<h2>By provider</h2>',
    `<div class="pair">${reports.map(renderProviders).join('')}</div>`,
    '<h2>Pauses by key</h2>',
    `<div class="pair">${reports.map(renderPauses).join('')}</div>`,
    `<p class="foot">Scenario <code>${escapeText(first?.scenario ?? '')}</code>, seed ${first?.seed ?? 0}. The same scenario, policy and seed give the same page.</p>`,
    '</body></html>\n',
  ].join('\n')
}

type Cell = string | number

const formatCell = (cell: Cell): string => (typeof cell === 'number' ? cell.toLocaleString('en-US') : escapeText(cell))

function renderTable(head: readonly string[], rows: readonly (readonly Cell[])[], caption = ''): string {
  const line = (tag: string, cells: readonly Cell[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${formatCell(cell)}</${tag}>`).join('')}</tr>`
  const named = caption === '' ? '' : `<caption>${escapeText(caption)}</caption>`
  return `<div class="table"><table>${named}<thead>${line('th', head)}</thead><tbody>${rows.map((row) => line('td', row)).join('')}</tbody></table></div>`
}

function renderTotals(reports: readonly SimulationReport[]): string {
  const head = [
    'policy',
    'messages',
    'delivered',
    'invalid',
    'soft',
    'waiting',
    'attempts',
    'wasted',
    'time to drain',
    'mean delay',
    'pauses',
  ]
  return renderTable(
    head,
    reports.map((each) => [
      each.policy,
      each.mails,
      each.delivered,
      each.invalid,
      each.soft,
      each.waiting,
      each.attempts,
      each.wasted,
      formatDuration(each.drainSeconds),
      each.meanDelaySeconds === null ? '-' : formatDuration(each.meanDelaySeconds),
      each.pauses.reduce((all, pause) => all + pause.paused, 0),
    ]),
  )
}

/** The colour of each provider, the same on the whole page. */
function coloursOf(reports: readonly SimulationReport[]): ReadonlyMap<string, string> {
  const names = [...new Set(reports.flatMap((report) => report.providers.map((each) => each.name)))]
  return new Map(names.map((name, n) => [name, `--c${n % 8}`]))
}

function renderLegend(reports: readonly SimulationReport[]): string {
  const titles = new Map(reports.flatMap((report) => report.providers.map((each) => [each.name, each.title] as const)))
  const items = [...coloursOf(reports)].map(
    ([name, colour]) => `<span><i style="background: var(${colour})"></i>${escapeText(titles.get(name) ?? name)}</span>`,
  )
  return `<p class="legend">${items.join('')}</p>`
}

const PLOTTED_MEASURES = [
  { title: 'Waiting in the queue', unit: 'messages', pick: (step: ProviderReport['steps'][number]) => step.waiting },
  { title: 'Delivered', unit: 'messages in 10 minutes', pick: (step: ProviderReport['steps'][number]) => step.delivered },
  { title: 'Wasted attempts', unit: 'attempts in 10 minutes', pick: (step: ProviderReport['steps'][number]) => step.wasted },
] as const

/** The number of steps to plot. The tail, in which messages wait for their own mailboxes, would compress the rest. */
function shownSteps(reports: readonly SimulationReport[]): number {
  const drained = Math.max(1, ...reports.map((report) => Math.ceil(report.drainSeconds / report.stepSeconds)))
  return Math.ceil(drained * 1.05) + 1
}

function renderPlots(report: SimulationReport, all: readonly SimulationReport[]): string {
  const colours = coloursOf(all)
  const steps = shownSteps(all)
  const drawn = PLOTTED_MEASURES.map(({ title, unit, pick }) => {
    const valuesOf = (each: ProviderReport): number[] => each.steps.slice(0, steps).map(pick)
    const highest = Math.max(0, ...all.flatMap((other) => other.providers.flatMap((each) => highestOf(valuesOf(each)))))
    const lines: PlotLine[] = report.providers.map((each) => ({
      name: each.title,
      colour: colours.get(each.name) ?? '--c0',
      values: valuesOf(each),
    }))
    const plot: Plot = { title: `${title} (${report.policy})`, unit, lines, stepSeconds: report.stepSeconds, steps, highest }
    return drawPlot(plot)
  })
  return `<div>${drawn.join('')}</div>`
}

const highestOf = (values: readonly number[]): number => values.reduce((high, value) => Math.max(high, value), 0)

const formatCauses = (by: Readonly<Record<string, number>>): string =>
  Object.entries(by)
    .map(([name, n]) => `${name} ${n.toLocaleString('en-US')}`)
    .join(', ')

function renderProviders(report: SimulationReport): string {
  const head = ['provider', 'delivered', 'invalid', 'soft', 'wasted', 'to drain', 'soft by cause']
  const rows = report.providers.map((each) => [
    each.title,
    each.delivered,
    each.invalid,
    each.soft,
    each.wasted,
    formatDuration(each.drainSeconds),
    formatCauses(each.softBy),
  ])
  return renderTable(head, rows, `Policy ${report.policy}`)
}

function renderPauses(report: SimulationReport): string {
  const head = ['key', 'class', 'paused', 'throttled', 'probes', 'closed for']
  const rows = report.pauses.map((each) => [
    each.key.replaceAll('|', ' · '),
    Object.keys(each.classes).join(', '),
    each.paused,
    each.throttled,
    each.probes,
    formatDuration(each.pausedSeconds),
  ])
  return rows.length === 0 ? `<p>No pause (policy ${escapeText(report.policy)}).</p>` : renderTable(head, rows, `Policy ${report.policy}`)
}
