/**
 * bench - an HTTP server on fake services, which records the calls that its routes make
 *
 * `makeBench` serves all routes; `makeRouteBench` serves the routes of one file on the few functions that they take.
 */
import type { LightMyRequestResponse } from 'fastify'
import { createHttpApp } from '../../src/http/app.ts'
import type { Authenticator, CredentialStore } from '../../src/http/server/authenticate.ts'
import { createAuthorizer, type Authorizer } from '../../src/http/server/authorize.ts'
import type { HttpServer } from '../../src/http/server/http-server.ts'
import { createFixedWindowLimit } from '../../src/net/rate-limit.ts'
import { createSignInLimit, SIGN_IN_LIMITS } from '../../src/net/sign-in-limit.ts'
import { createHttpServer } from '../../src/http/server/server.ts'
import type { HttpServices } from '../../src/http/services/http-services.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry.ts'
import { FAKE_SERVICES } from './fake-services.ts'
import { NOW } from './sample-rows.ts'

export const BASIC = `Basic ${Buffer.from('alice:secret-of-alice').toString('base64')}`
export const OPERATOR = 'Bearer secret-of-the-operator'

export type TestRequest = {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly body?: unknown
  readonly auth?: string | null
  readonly headers?: Record<string, string>
}

type Send = (request: TestRequest) => Promise<LightMyRequestResponse>

export type Bench = {
  readonly server: HttpServer
  /** The asynchronous calls to services, by `area.function`. */
  readonly calls: { readonly name: string; readonly args: readonly unknown[] }[]
  readonly send: Send
}

/** Replaces whole functions, or some functions of an area. */
export type ServiceOverrides = {
  readonly [Area in keyof HttpServices]?: HttpServices[Area] extends (...args: never[]) => unknown
    ? HttpServices[Area]
    : Partial<HttpServices[Area]>
}

const credentialStore: CredentialStore = {
  findAccount: (apiUser, apiKey) =>
    Promise.resolve(apiKey === `secret-of-${apiUser}` ? { account: apiUser === 'alice' ? 1 : 2, apiUser } : null),
  isOperator: (secret) => Promise.resolve(secret === 'secret-of-the-operator'),
}

const findAccount = (apiUser: string): Promise<number | null> => Promise.resolve(apiUser === 'alice' ? 1 : null)

const LIMITS = {
  bodyBytes: 100_000,
  requestsPerMinute: 1_000,
  recipientsPerRequest: 3,
  attemptsPerRequest: 3,
  classificationsPerRequest: 3,
  emailStatusDays: 3,
}

/** A server with all routes on fake services; `overrides` replaces some of them, `options` some of the server's options. */
export async function makeBench(
  overrides: ServiceOverrides = {},
  options: Partial<Parameters<typeof createHttpApp>[0]> = {},
): Promise<Bench> {
  const calls: Bench['calls'] = []
  const server = await createHttpApp({
    telemetry: await createTelemetry({ level: 'silent', format: 'json' }),
    services: recordCalls(mergeServices(overrides), calls),
    credentialStore,
    findAccount,
    findReadinessProblem: () => Promise.resolve(null),
    limits: LIMITS,
    trustProxy: false,
    publicUrl: () => 'http://127.0.0.1:8080',
    ...options,
  })
  return { server, calls, send: createSend(server) }
}

/** A server with the routes that `addRoutes` adds, and nothing else. */
export async function makeRouteBench(
  addRoutes: (server: HttpServer, authorizer: Authorizer, parts: { authenticator: Authenticator; telemetry: Telemetry }) => void,
): Promise<Omit<Bench, 'calls'>> {
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  const authenticator: Authenticator = {
    credentialStore,
    signInLimit: createSignInLimit(SIGN_IN_LIMITS),
    accountRequests: createFixedWindowLimit(LIMITS.requestsPerMinute),
    now: () => NOW,
    sessions: FAKE_SERVICES.sessions,
    publicUrl: () => 'http://127.0.0.1:8080',
  }
  const server = await createHttpServer({ telemetry, bodyBytes: LIMITS.bodyBytes, trustProxy: false })
  addRoutes(server, createAuthorizer({ authenticator, findAccount }), { authenticator, telemetry })
  return { server, send: createSend(server) }
}

const createSend =
  (server: HttpServer): Send =>
  ({ method = 'GET', url, body, auth = BASIC, headers = {} }) =>
    server.inject({
      method,
      url,
      headers: { ...(auth === null ? {} : { authorization: auth }), ...headers },
      ...(body === undefined ? {} : { payload: payloadOf(body) }),
    })

function mergeServices(overrides: ServiceOverrides): HttpServices {
  const merged = Object.entries(overrides).map(([area, override]) => {
    const original: unknown = Reflect.get(FAKE_SERVICES, area)
    return [area, typeof override === 'function' ? override : { ...Object(original), ...override }]
  })
  // Checked cast: every override has the type of what it replaces.
  return { ...FAKE_SERVICES, ...(Object.fromEntries(merged) as Partial<HttpServices>) }
}

/** Wraps every function so that it records its asynchronous calls. */
function recordCalls<T extends object>(services: T, calls: Bench['calls'], prefix = ''): T {
  const entries = Object.entries(services).map(([member, value]: [string, unknown]) => {
    const name = `${prefix}${member}`
    if (typeof value === 'object' && value !== null) return [member, recordCalls(value, calls, `${name}.`)]
    if (typeof value !== 'function') return [member, value]
    const recorded = (...args: readonly unknown[]): unknown => {
      const result: unknown = Reflect.apply(value, null, args)
      if (result instanceof Promise) calls.push({ name, args })
      return result
    }
    return [member, recorded]
  })
  // Checked cast: the same members, each of which does what it did.
  return Object.fromEntries(entries) as T
}

/** An array is sent as one, not as an object with numbers for names. */
function payloadOf(body: unknown): string | Buffer | object {
  if (typeof body === 'string' || Buffer.isBuffer(body) || Array.isArray(body)) return body
  return { ...Object(body) }
}
