/**
 * tracking-app - a daemon in this process whose mails have links to itself, and the server that receives them
 *
 * Links name `publicUrl`, so the port is chosen before the start. See also: test/tracked-sending.test.ts, test/pages.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { simpleParser, type ParsedMail } from 'mailparser'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { expect } from 'vitest'
import { startApp } from '../../src/daemon/app.ts'
import { loadConfig } from '../../src/settings/load.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import { appEnvironment, smarthostEnvironment } from './app-environment.ts'
import { startSmarthost } from './smarthost.ts'

const KEY = 'tracking-key-0123456789abcdef012345'
const USER = 'shop'

export type TrackingApp = {
  readonly origin: string
  readonly request: (method: string, path: string, body?: object) => Promise<{ readonly status: number; readonly body: unknown }>
  /** Submits by SMTP with a key. */
  readonly submit: (mail: SendMailOptions) => Promise<void>
  /** The mail that an address receives. */
  readonly receive: (to: string) => Promise<ParsedMail>
  readonly close: () => Promise<void>
}

/** `database`: the URL of a store; without one, SQLite in a folder of its own. */
export async function startTrackingApp(database?: string): Promise<TrackingApp> {
  const data = mkdtempSync(join(tmpdir(), 'bounced-tracking-'))
  const [smarthost, port] = [await startSmarthost(), await findFreePort()]
  const origin = `http://127.0.0.1:${port}`
  const more = {
    ...smarthostEnvironment(smarthost.port),
    BOUNCED_HTTP_PORT: String(port),
    BOUNCED_PUBLIC_URL: origin,
    ...(database === undefined ? {} : { BOUNCED_DATABASE: database }),
  }
  const env = appEnvironment({ data, user: USER, key: KEY, more })
  const lookUp = (): Promise<string[][]> => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }))
  const app = await startApp(loadConfig(env).settings, await createTelemetry({ level: 'silent', format: 'json' }), { lookUp })
  const transport = createTransport({
    host: '127.0.0.1',
    port: app.submissionPort ?? 0,
    requireTLS: true,
    tls: { rejectUnauthorized: false },
    auth: { user: USER, pass: KEY },
  })
  return {
    origin,
    request: async (method, path, body) => {
      const authorization = `Basic ${Buffer.from(`${USER}:${KEY}`).toString('base64')}`
      // The compatible API takes the key as fields.
      const fields = path.startsWith('/v1/') ? body : { apiUser: USER, apiKey: KEY, ...body }
      const headers = { authorization, 'content-type': 'application/json' }
      const response = await fetch(origin + path, { method, headers, ...(fields === undefined ? {} : { body: JSON.stringify(fields) }) })
      return { status: response.status, body: await response.json() }
    },
    submit: async (mail) => {
      await transport.sendMail(mail)
    },
    receive: async (to) => {
      await expect.poll(() => smarthost.sent.some((each) => each.to === to)).toBe(true)
      return simpleParser(smarthost.sent.find((each) => each.to === to)?.raw ?? '')
    },
    close: async () => {
      transport.close()
      await app.close()
      await smarthost.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

const findFreePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0))
    })
  })
