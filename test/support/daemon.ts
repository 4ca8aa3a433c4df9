/**
 * daemon - a real daemon in a process of its own, on free ports and a folder of its own
 *
 * For tests and measurements that need what a process does: start, signals, crashes, memory. See also: support/smtpload.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const root = join(import.meta.dirname, '../..')

/** Variables that every child process needs; tests of the command line pass nothing else along. */
export const childEnvironment = (): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
})

export const API_USER = 'tester'
export const API_KEY = 'k'.repeat(40)
export const MASTER_KEY = Buffer.alloc(32, 7).toString('base64')
export const RETURN_PATH_DOMAIN = 'bounce.example.com'
export const FEEDBACK_DOMAIN = 'fbl.example.com'

export type ApiResponse = { readonly status: number; readonly body: unknown }

export type Daemon = {
  readonly smtpPort: number
  readonly httpPort: number
  readonly adminPort: number
  readonly process: ChildProcess
  readonly data: string
  /** Milliseconds from spawn to `ready`. */
  readonly readyAfterMs: number
  readonly api: (method: string, path: string, body?: unknown, auth?: string) => Promise<ApiResponse>
  /** SIGTERM, and its exit code. */
  readonly stop: () => Promise<number | null>
  /** SIGKILL, at once. */
  readonly kill: () => Promise<void>
  readonly output: () => string
}

/** A folder for one daemon's store. */
export const makeTemporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'bounced-daemon-'))

/**
 * `source`: the folder of another version. `program`: the arguments of Node instead of `src/cli.ts serve`. `user`: the number of the user that it runs as. Starts a daemon and waits for its `ready` line. Rejects with its output when it ends first.
 */
export async function startDaemon(
  options: { data?: string; env?: Record<string, string>; source?: string; program?: readonly string[]; user?: number } = {},
): Promise<Daemon> {
  const data = options.data ?? makeTemporaryFolder()
  const env = {
    ...childEnvironment(),
    BOUNCED_SMTP_PORT: '0',
    BOUNCED_HTTP_PORT: '0',
    BOUNCED_HOST: '127.0.0.1',
    BOUNCED_DATA: data,
    BOUNCED_RETURN_PATH_DOMAIN: RETURN_PATH_DOMAIN,
    BOUNCED_FEEDBACK_DOMAIN: FEEDBACK_DOMAIN,
    BOUNCED_API_USER: API_USER,
    BOUNCED_API_KEY: API_KEY,
    BOUNCED_MASTER_KEY: MASTER_KEY,
    ...options.env,
  }
  const startedAt = performance.now()
  const child = spawn(process.execPath, options.program ?? [join(options.source ?? root, 'src/cli.ts'), 'serve'], {
    env,
    cwd: data,
    ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-20_000)
  })
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code))
  })
  const ready = new Promise<{ smtp: number; http: number; admin: number }>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      output += `${line}\n`
      const found = /^ready\b.*\bsmtp=(?:\S*:)?(\d+)\b.*\bhttp=(?:\S*:)?(\d+)\b.*\badmin=(\d+)/.exec(line)
      if (found) resolve({ smtp: Number(found[1]), http: Number(found[2]), admin: Number(found[3]) })
    })
    void exited.then((code) => reject(new Error(`the daemon ended with ${code}:\n${output}`)))
  })
  const ports = await ready
  const readyAfterMs = performance.now() - startedAt
  const basic = `Basic ${Buffer.from(`${API_USER}:${API_KEY}`).toString('base64')}`
  return {
    smtpPort: ports.smtp,
    httpPort: ports.http,
    adminPort: ports.admin,
    process: child,
    data,
    readyAfterMs,
    output: () => output,
    api: (method, path, body, auth = basic) => request(`http://127.0.0.1:${ports.http}${path}`, method, body, auth),
    stop: () => {
      child.kill('SIGTERM')
      return exited
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function request(url: string, method: string, body: unknown, auth: string): Promise<ApiResponse> {
  const headers = { authorization: auth, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, body: isJson && text !== '' ? JSON.parse(text) : text }
}
