/**
 * exports - rows a second of an exported file, their CPU, and the latency of queries meanwhile
 *
 * `--deliveries=N,M…` sets the sizes of the store; one file contains all. Memory is the daemon's peak before and after, which must not grow with the rows.
 */
import { setTimeout as rest } from 'node:timers/promises'
import { API_KEY, API_USER, type Daemon } from '../test/support/daemon.ts'
import type { Figure } from './figure.ts'
import { runQueryProcess, DELIVERY_COUNTS, cpuMillis, residentMegabytes, withFilledStore } from './filled.ts'

const MONTH_MS = 29 * 86_400_000
const POLL_MS = 200
const FILE_FORMS = [
  { format: 'csv', gzip: true },
  { format: 'ndjson', gzip: false },
] as const

export async function exports(): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const count of DELIVERY_COUNTS) figures.push(...(await withFilledStore(count, (daemon, ids) => measure(daemon, ids, count))))
  return figures
}

async function measure(daemon: Daemon, emailIds: readonly string[], count: number): Promise<readonly Figure[]> {
  const many = count.toLocaleString('en')
  const questions = emailIds.map((id) => ({ method: 'GET' as const, path: `/v1/messages/${encodeURIComponent(id)}` }))
  const load = { port: daemon.httpPort, questions, connections: 1 }
  const alone = await runQueryProcess({ ...load, seconds: 3 })
  const figures: Figure[] = [{ figure: `a question alone, p99, ${many}`, value: alone.p99, unit: 'ms' }]
  for (const form of FILE_FORMS) {
    const name = `export of ${many} rows, ${form.format}${form.gzip ? '.gz' : ''}`
    const [before, cpu, startedAt] = [residentMegabytes(daemon, 'VmHWM'), cpuMillis(daemon), performance.now()]
    const { id, rows, bytes } = await runExport(daemon, form)
    const seconds = (performance.now() - startedAt) / 1_000
    figures.push(
      { figure: name, value: rows / seconds, unit: 'rows/s' },
      { figure: `${name}, CPU a row`, value: ((cpuMillis(daemon) - cpu) * 1_000) / rows, unit: 'µs' },
      { figure: `${name}, size`, value: bytes / 1e6, unit: 'MB' },
      {
        figure: `${name}, highest memory, ${Math.round(before)} MB before`,
        value: residentMegabytes(daemon, 'VmHWM'),
        unit: 'MB',
        target: '<= 350',
      },
      { figure: `${name}, download`, value: await measureDownload(daemon, id), unit: 'MB/s' },
    )
  }
  const [during] = await Promise.all([runQueryProcess({ ...load, seconds: 3 }), runExport(daemon, FILE_FORMS[0])])
  return [...figures, { figure: `a question during an export, p99, ${many}`, value: during.p99, unit: 'ms', target: '<= 5' }]
}

type ExportResult = { readonly id: string; readonly rows: number; readonly bytes: number }

/** Requests an export of all deliveries of the last month and waits for its end. */
export async function runExport(daemon: Daemon, form: (typeof FILE_FORMS)[number]): Promise<ExportResult> {
  const since = new Date(Date.now() - MONTH_MS).toISOString()
  const created = await daemon.api('POST', '/v1/exports', { kind: 'status', since, ...form })
  const id = String(Reflect.get(Object(created.body), 'id'))
  for (;;) {
    const { body } = await daemon.api('GET', `/v1/exports/${id}`)
    const job: Readonly<Record<string, unknown>> = { ...Object(body) }
    if (job['state'] === 'done') return { id, rows: Number(job['rows']), bytes: Number(job['bytes']) }
    if (job['state'] === 'failed') throw new Error(String(job['error']))
    await rest(POLL_MS)
  }
}

async function measureDownload(daemon: Daemon, id: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${API_USER}:${API_KEY}`).toString('base64')}`
  const startedAt = performance.now()
  const response = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1/exports/${id}/download`, { headers: { authorization } })
  let bytes = 0
  for await (const chunk of response.body ?? []) bytes += chunk.byteLength
  if (bytes !== Number(response.headers.get('content-length'))) throw new Error('the file is not as long as its content-length')
  return bytes / 1e6 / ((performance.now() - startedAt) / 1_000)
}
