/**
 * desk - the whole desk of a shop, and the web over it: what the daemon wires, around a store of a test
 */
import { accountOf, createKeys } from '../../src/accounts.ts'
import { NO_PROOFS, type Proofs } from '../../src/edge/auth.ts'
import type { Desk } from '../../src/web/desk.ts'
import type { Web } from '../../src/web/server.ts'
import { createReadingDesk } from '../../src/web/storedesk.ts'
import { createWeb } from '../../src/web/web.ts'
import { createWritingDesk } from '../../src/web/workdesk.ts'
import type { Shop } from '../../src/work/shop.ts'
import { createSubmit } from '../../src/work/submit.ts'
import { makeAlertDesk, makeDkim, makeExports, makeRoutes, makeWebhooks } from './shop.ts'

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
