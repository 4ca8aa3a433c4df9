/**
 * web - the HTTP side of the daemon: every face on one server
 *
 * See also: app (listens), web/desk (what the routes ask for).
 */
import type { Telemetry } from '../telemetry.ts'
import { addAccept } from './accept.ts'
import { addAccount } from './account.ts'
import { addAlerts } from './alerts.ts'
import { addBroadcasts } from './broadcasts.ts'
import { addRules } from './rules.ts'
import { addAttempts } from './attempts.ts'
import type { HttpLimits } from './bodies.ts'
import type { Desk } from './desk.ts'
import { addExports } from './exports.ts'
import { addEtags } from './etag.ts'
import { addEvents } from './events.ts'
import { addDocs } from './docs.ts'
import { addDkim } from './dkim.ts'
import { createGuard } from './guard.ts'
import { addHealth } from './health.ts'
import type { Gate, Keys } from './identity.ts'
import { addInbox } from './inbox.ts'
import { addMessages } from './messages.ts'
import { addOpenApi } from './openapi.ts'
import { addOperator } from './operator.ts'
import { addQueue } from './queue.ts'
import { addQueueOrders } from './queueorders.ts'
import { createQuota } from './quota.ts'
import { addRouteMails } from './routemails.ts'
import { createServer } from './server.ts'
import type { Web, WebOptions } from './server.ts'
import { addSuppressions } from './suppressions.ts'
import { addUnsubscribe } from './unsubscribe.ts'
import { addWebhooks } from './webhooks.ts'
import { addQueueStatus } from './vendor/queuestatus.ts'
import { addEngageLab } from './engagelab/routes.ts'
import { createAnswers } from './vendor/answers.ts'
import type { AnswerRule } from './vendor/answers.ts'
import { addVendor } from './vendor/routes.ts'

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
