/**
 * services - the whole desk of a shop, and the web over it: what the daemon wires, around a store of a test
 */
import { findAccountByApiUser, createAuthenticator } from '../../src/daemon/accounts.ts'
import { NO_AUTHENTICATION_RESULTS, type AuthenticationResults } from '../../src/mail-auth/verify-signatures.ts'
import type { Services } from '../../src/http/services.ts'
import type { HttpServer } from '../../src/http/server/http-server.ts'
import { createReadServices } from '../../src/http/read-services.ts'
import { createHttpApp } from '../../src/http/app.ts'
import { createWriteServices } from '../../src/http/write-services.ts'
import type { Context } from '../../src/service/context.ts'
import { createSubmit } from '../../src/service/submit/submit.ts'
import { makeAlertServices, makeDkim, makeExports, makeForwardDomains, makeWebhooks } from './context.ts'

type Prover = () => Promise<AuthenticationResults>

const verifyNothing: Prover = () => Promise.resolve(NO_AUTHENTICATION_RESULTS)

/** A desk on which everything is real but DNS. */
export const makeServices = (context: Context, verifier: Prover = verifyNothing): Services => ({
  now: context.now,
  ...createReadServices(context.engine.read, context.now),
  ...createWriteServices(context, verifier),
  submit: createSubmit(context, { onQueued: () => undefined }),
  dkim: makeDkim(context),
  webhooks: makeWebhooks(context),
  exports: makeExports(context),
  forwarding: makeForwardDomains(context),
  alerts: makeAlertServices(context),
})

/** All routes over that desk, for whoever has an account in the store. */
export function makeHttpApp(context: Context, verifier: Prover = verifyNothing): Promise<HttpServer> {
  return createHttpApp({
    telemetry: context.telemetry,
    services: makeServices(context, verifier),
    credentialStore: createAuthenticator(context.engine.read, context.now),
    findAccount: (apiUser) => findAccountByApiUser(context.engine.read, apiUser),
    isReady: () => Promise.resolve(true),
    limits: { bodyBytes: 100_000, requestsPerMinute: 10_000, recipientsPerRequest: 10, attemptsPerRequest: 10, emailStatusDays: 3 },
    trustProxy: false,
  })
}
