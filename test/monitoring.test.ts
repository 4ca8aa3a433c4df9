/**
 * monitoring.test - the alert rules and the dashboard load without a change, and read only metrics that a daemon exposes
 *
 * promtool checks the expressions and runs the cases of the alert rules; it comes with Prometheus (Debian: the package `prometheus`), and is
 * looked for in PATH, or where PROMTOOL_PATH says.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { makeTemporaryFolder, startDaemon } from './support/daemon.ts'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
const RULES = join(ROOT, 'deploy/prometheus/bounced-alerts.yml')
const CASES = join(ROOT, 'deploy/prometheus/bounced-alerts.test.yml')

const targetSchema = z.object({ expr: z.string() })
const panelSchema = z.object({
  id: z.int(),
  type: z.string(),
  title: z.string(),
  gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
  targets: z.array(targetSchema).default([]),
})
const variableSchema = z.object({ name: z.string(), type: z.string(), query: z.union([z.string(), z.object({ query: z.string() })]) })
const dashboard = z
  .object({ uid: z.string(), panels: z.array(panelSchema), templating: z.object({ list: z.array(variableSchema) }) })
  .parse(JSON.parse(read('deploy/grafana/bounced.json')))

const queryOf = ({ query }: z.output<typeof variableSchema>): string => (typeof query === 'string' ? query : query.query)

/** As Grafana fills them in. */
const fillIn = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', 'bounced').replaceAll('$instance', '.*')

const panelExpressions = dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr: fillIn(expr) })))
const variableQueries = dashboard.templating.list
  .filter(({ type }) => type === 'query')
  .map((variable) => ({ title: `variable ${variable.name}`, expr: queryOf(variable) }))

/** The text of each rule, from its name to its labels. */
const alertExpressions = [
  ...read('deploy/prometheus/bounced-alerts.yml').matchAll(/- alert: (\w+)\s+expr:([\s\S]*?)\n\s+(?:for|labels):/g),
].map(([, title = '', expr = '']) => ({ title, expr: expr.replace(/^\s*>-/, '').trim() }))

/** Made by Prometheus itself. */
const OTHER_METRICS = new Set(['up'])

/** The names of metrics in an expression: words that are no function, no keyword, no label and no value. */
const metricsIn = (expr: string): readonly string[] =>
  [...expr.replaceAll(/"[^"]*"|\{[^}]*\}|by \([^)]*\)/g, ' ').matchAll(/\b(?:bounced|nodejs|process)_\w+|\bup\b/g)].map(([name]) => name)

/** The labels that an expression selects or groups by. */
const labelsIn = (expr: string): readonly string[] => [
  ...[...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, selector = '']) =>
    [...selector.matchAll(/(\w+)\s*[!=]~?/g)].map(([, name = '']) => name),
  ),
  ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/)),
]

/** The labels of our metrics, by the table of telemetry. Prometheus adds `job` and `instance`, histograms have `le`. */
const LABELS = new Map(
  [...read('src/telemetry.ts').matchAll(/^ {2}(bounced_\w+): \{[\s\S]*?labels: \[([^\]]*)\]/gm)].map(([, name = '', labels = '']) => [
    name,
    [...labels.matchAll(/'(\w+)'/g)].map(([, label = '']) => label),
  ]),
)
const ALL = [...panelExpressions, ...variableQueries, ...alertExpressions]

test('the rules and the dashboard have expressions', () => {
  expect([alertExpressions.length, panelExpressions.length > 50, variableQueries.length]).toEqual([23, true, 2])
  expect(alertExpressions.filter(({ expr }) => metricsIn(expr).length === 0)).toEqual([])
})

describe('the metrics of a daemon', () => {
  let exposed: ReadonlySet<string>
  beforeAll(async () => {
    const daemon = await startDaemon()
    const text = await (await fetch(`http://127.0.0.1:${daemon.adminPort}/metrics`)).text()
    await daemon.stop()
    const typed = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)]
    exposed = new Set(
      typed.flatMap(([, name = '', kind]) => (kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name])),
    )
  })

  test('every metric that is read is exposed', () => {
    const unknown = ALL.flatMap(({ title, expr }) =>
      metricsIn(expr)
        .filter((name) => !exposed.has(name) && !OTHER_METRICS.has(name))
        .map((name) => `${title}: ${name}`),
    )
    expect(unknown).toEqual([])
  })
})

test('every label belongs to a metric of its expression', () => {
  const wrong = ALL.flatMap(({ title, expr }) => {
    const known = new Set(['job', 'instance', 'le'])
    for (const name of metricsIn(expr)) for (const label of LABELS.get(name.replace(/_(?:bucket|sum|count)$/, '')) ?? []) known.add(label)
    return labelsIn(expr)
      .filter((label) => !known.has(label))
      .map((label) => `${title}: ${label}`)
  })
  expect(wrong).toEqual([])
})

test('panels have ids of their own, stay within the width and do not overlap', () => {
  const { panels } = dashboard
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  const cells = panels.flatMap(({ title, gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, n) => ({ title, cell: `${x + (n % w)}/${y + Math.floor(n / w)}` })),
  )
  const taken = new Map<string, string>()
  const overlaps = cells.flatMap(({ title, cell }) => {
    const other = taken.get(cell)
    taken.set(cell, title)
    return other === undefined ? [] : [`${title} over ${other}`]
  })
  expect([overlaps, panels.filter(({ gridPos: { x, w } }) => x + w > 24)]).toEqual([[], []])
})

test('the page lists every alert rule, and every rule has a case in which it fires and one in which it does not', () => {
  const [page, cases] = [read('docs/MONITORING.md'), readFileSync(CASES, 'utf8')]
  const names = alertExpressions.map(({ title }) => title)
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  expect(names.filter((name) => !cases.includes(`name: ${name} fires`) || !cases.includes(`name: ${name} is quiet`))).toEqual([])
})

const named = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'promtool'))
const promtool = [process.env['PROMTOOL_PATH'] ?? '', ...named].find((path) => path !== '' && existsSync(path)) ?? null

describe.skipIf(promtool === null)(`promtool${promtool === null ? ': not installed (package prometheus, or PROMTOOL_PATH)' : ''}`, () => {
  const run = (...args: readonly string[]): string => execFileSync(promtool ?? '', args, { encoding: 'utf8', stdio: 'pipe' })

  test('the alert rules load', () => expect(run('check', 'rules', RULES)).toMatch(/SUCCESS: 23 rules found/))

  test('each alert fires when it must, and only then', () => expect(run('test', 'rules', CASES)).toMatch(/SUCCESS/))

  test('every expression of the dashboard is PromQL', () => {
    const rules = panelExpressions.map(({ expr }, n) => ({ record: `panel:n${n}`, expr }))
    const file = join(makeTemporaryFolder(), 'panels.yml')
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }))
    expect(run('check', 'rules', file)).toMatch(`SUCCESS: ${panelExpressions.length} rules found`)
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules: [{ record: 'panel:x', expr: 'sum(rate(x[5m])' }] }] }))
    expect(() => run('check', 'rules', file)).toThrow(/could not parse expression|unclosed/)
  })
})
