/**
 * services - the whole desk of a shop, and the web over it: what the daemon wires, around a store of a test
 */
import { accountOf, createKeys } from '../../src/daemon/accounts.ts'
import { NO_PROOFS, type Proofs } from '../../src/mail-auth/verify-signatures.ts'
import type { Desk } from '../../src/http/services.ts'
import type { Web } from '../../src/http/server/server.ts'
import { createReadingDesk } from '../../src/http/read-services.ts'
import { createWeb } from '../../src/http/app.ts'
import { createWritingDesk } from '../../src/http/write-services.ts'
import type { Shop } from '../../src/service/context.ts'
import { createSubmit } from '../../src/service/submit/submit.ts'
import { makeAlertDesk, makeDkim, makeExports, makeRoutes, makeWebhooks } from './context.ts'

type Prover = () => Promise<Proofs>

const proveNothing: Prover = () => Promise.resolve(NO_PROOFS)

/** A desk on which everything is real but DNS. */
export const makeDesk = (shop: Shop, prover: Prover = proveNothing): Desk => ({
  now: shop.now,
  ...createReadingDesk(shop.engine.read, shop.now),
  ...createWritingDesk(shop, prover),
  submit: createSubmit(shop, { nudge: () => undefined }),
  dkim: makeDkim(shop),
  webhooks: makeWebhooks(shop),
  exports: makeExports(shop),
  routes: makeRoutes(shop),
  alerts: makeAlertDesk(shop),
})

/** All routes over that desk, for whoever has an account in the store. */
export function makeWeb(shop: Shop, prover: Prover = proveNothing): Promise<Web> {
  return createWeb({
    telemetry: shop.telemetry,
    desk: makeDesk(shop, prover),
    keys: createKeys(shop.engine.read, shop.now),
    accountOf: (apiUser) => accountOf(shop.engine.read, apiUser),
    isReady: () => Promise.resolve(true),
    limits: { bodyBytes: 100_000, requestsPerMinute: 10_000, recipientsPerRequest: 10, attemptsPerRequest: 10, emailStatusDays: 3 },
    trustProxy: false,
  })
}
