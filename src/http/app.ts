/**
 * app - the HTTP side of the daemon: every face on one server
 *
 * See also: app (listens), http/services (what the routes ask for).
 */
import type { Telemetry } from '../telemetry.ts'
import { addAccept } from './server/content-negotiation.ts'
import { addAccount } from './api/account.ts'
import { addAlerts } from './api/alerts.ts'
import { addBroadcasts } from './api/broadcasts.ts'
import { addRules } from './api/rules.ts'
import { addAttempts } from './api/attempts.ts'
import type { HttpLimits } from './server/body-limits.ts'
import type { Desk } from './services.ts'
import { addExports } from './api/exports.ts'
import { addEtags } from './server/etag.ts'
import { addEvents } from './api/events.ts'
import { addDocs } from './server/docs.ts'
import { addDkim } from './api/dkim.ts'
import { createGuard } from './server/authorize.ts'
import { addHealth } from './server/health.ts'
import type { Gate, Keys } from './server/authenticate.ts'
import { addInbox } from './api/inbox.ts'
import { addMessages } from './api/messages.ts'
import { addOpenApi } from './server/openapi.ts'
import { addOperator } from './api/operator.ts'
import { addQueue } from './api/queue.ts'
import { addQueueOrders } from './api/queue-commands.ts'
import { createQuota } from './server/rate-limit.ts'
import { addRouteMails } from './api/forwarded-mails.ts'
import { createServer } from './server/server.ts'
import type { Web, WebOptions } from './server/server.ts'
import { addSuppressions } from './api/suppressions.ts'
import { addUnsubscribe } from './api/unsubscribe.ts'
import { addWebhooks } from './api/webhooks.ts'
import { addQueueStatus } from './sendcloud/queue-status.ts'
import { addEngageLab } from './engagelab/routes.ts'
import { createAnswers } from './sendcloud/response-cache.ts'
import type { AnswerRule } from './sendcloud/response-cache.ts'
import { addVendor } from './sendcloud/routes.ts'

export type WebParts = {
  readonly telemetry: Telemetry
  readonly desk: Desk
  readonly keys: Keys
  readonly accountOf: (apiUser: string) => Promise<number | null>
  readonly isReady: () => Promise<boolean>
  readonly limits: {
    readonly bodyBytes: number
    readonly requestsPerMinute: number
    readonly recipientsPerRequest: number
    readonly attemptsPerRequest: number
    readonly emailStatusDays: number
  }
  readonly trustProxy: boolean
  /** What strangers may hold of the server; the defaults where nothing is said. */
  readonly http?: HttpLimits
  /** How answers of the compatible faces are kept; `off` where nothing is said. */
  readonly answers?: AnswerRule
}

/** Wrong secrets a minute from one address: a person who mistypes needs ten, a guesser millions. */
const FAILED_SIGN_INS = 30

/** The server with all its routes, not yet listening. */
export async function createWeb(parts: WebParts): Promise<Web> {
  const { telemetry, desk, keys, limits } = parts
  const options: WebOptions = {
    telemetry,
    bodyBytes: limits.bodyBytes,
    trustProxy: parts.trustProxy,
    ...(parts.http ? { http: parts.http } : {}),
  }
  const gate: Gate = { keys, failures: createQuota(FAILED_SIGN_INS), requests: createQuota(limits.requestsPerMinute), now: desk.now }
  const guard = createGuard({ gate, accountOf: parts.accountOf })
  const addOwn = (server: Web): void => {
    addHealth(server, { telemetry, isReady: parts.isReady })
    addMessages(server, { desk, guard, recipientsPerRequest: limits.recipientsPerRequest })
    addBroadcasts(server, { desk, guard })
    addRules(server, { desk, guard })
    addAttempts(server, { desk, guard, attemptsPerRequest: limits.attemptsPerRequest })
    addSuppressions(server, { desk, guard })
    addInbox(server, { desk, guard })
    addExports(server, { desk, guard })
    addAccount(server, { desk, guard })
    addDkim(server, { desk, guard })
    addOperator(server, { desk, guard, accountOf: parts.accountOf })
    addWebhooks(server, { desk, guard })
    addEvents(server, { desk, guard })
    addRouteMails(server, { desk, guard })
    addAlerts(server, { desk, guard })
    addQueue(server, { desk, guard })
    addQueueOrders(server, { desk, guard })
    addUnsubscribe(server, desk)
  }
  const server = await createServer(options)
  // A scope of its own: the compatible faces have other manners.
  void server.register(async (plain) => {
    const scope: Web = plain.withTypeProvider()
    addAccept(scope)
    addEtags(scope)
    addOwn(scope)
  })
  const blank = (): Promise<Web> => createServer(options)
  addDocs(server, blank, addOpenApi(server, blank, addOwn))
  const { now, stamp } = desk
  const answers = createAnswers({ rule: parts.answers ?? 'off', now, stamp })
  const vendor = { desk, gate, telemetry, statusDays: limits.emailStatusDays, answers }
  addVendor(server, vendor)
  addQueueStatus(server, vendor)
  addEngageLab(server, { desk, gate, telemetry })
  return server
}
